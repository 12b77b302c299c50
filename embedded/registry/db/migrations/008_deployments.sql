-- What is served. A deployment names the revision that ought to be served;
-- revisions are kept, so that they tell who put what into service, and why.
CREATE TABLE deployments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL,
  model TEXT NOT NULL,
  follows TEXT NOT NULL,       -- alias of the model, '' for none
  automatic INTEGER NOT NULL,  -- new versions are put into service
  pinned INTEGER NOT NULL DEFAULT 0,
  paused INTEGER NOT NULL DEFAULT 0,
  newest INTEGER NOT NULL DEFAULT 0, -- newest version that was looked at
  seen INTEGER NOT NULL DEFAULT 0,   -- where the alias pointed when it was looked at, 0 for nowhere
  revision INTEGER NOT NULL DEFAULT 0, -- id of the revision that ought to be served, 0 for none
  created INTEGER NOT NULL
);
CREATE TABLE revisions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  deployment INTEGER NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  state TEXT NOT NULL,
  cause TEXT NOT NULL,
  by TEXT NOT NULL,
  reason TEXT NOT NULL,
  gates TEXT NOT NULL DEFAULT '[]', -- JSON, what each gate found
  approved TEXT NOT NULL DEFAULT '',
  override INTEGER NOT NULL DEFAULT 0, -- it passes whatever its gates find
  message TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL,
  live INTEGER NOT NULL DEFAULT 0,
  ended INTEGER NOT NULL DEFAULT 0,
  UNIQUE (deployment, number)
);
-- What a version must pass before it is served, as JSON.
ALTER TABLE projects ADD COLUMN gates TEXT NOT NULL DEFAULT '{}';
