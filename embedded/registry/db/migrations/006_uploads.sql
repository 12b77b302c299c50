-- Uploads in parts that are neither completed nor given up. The id is what the
-- addresses of the parts are made of: who knows it may put parts.
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  store_id TEXT NOT NULL,
  parts INTEGER NOT NULL,
  created INTEGER NOT NULL
) WITHOUT ROWID;
