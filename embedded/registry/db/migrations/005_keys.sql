-- Access keys. Neither the token is here nor anything that a guess could be
-- tried against: it is derived from the salt and a secret outside of this
-- file. Ids are never given again, because sessions name them.
CREATE TABLE keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  buckets TEXT NOT NULL,
  salt BLOB NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL, -- 0 is never
  last_used INTEGER NOT NULL -- 0 is never
);
