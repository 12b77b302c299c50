-- What pushed code runs in if the lab's Python does not suffice. A request is the
-- digest of what was asked for; layer_of is the request whose layer it is.
CREATE TABLE environments (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  project  INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  request  TEXT    NOT NULL,
  lock     TEXT    NOT NULL, -- digest
  base     TEXT    NOT NULL,
  layer    TEXT    NOT NULL, -- digest
  bytes    INTEGER NOT NULL, -- of the layer
  layer_of TEXT    NOT NULL,
  packages TEXT    NOT NULL, -- JSON
  kept     TEXT    NOT NULL, -- JSON
  text     TEXT    NOT NULL, -- of the lock
  created  INTEGER NOT NULL,
  UNIQUE (project, request)
) STRICT;

-- The environment that a project's code runs in, and that of a training, by request.
ALTER TABLE projects ADD COLUMN code_environment TEXT NOT NULL DEFAULT '';
ALTER TABLE trainings ADD COLUMN environment TEXT NOT NULL DEFAULT '';
