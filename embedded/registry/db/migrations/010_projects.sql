-- A project's parameters were the configuration's. A field that nobody has
-- edited goes on following it, so what was edited is remembered.
ALTER TABLE projects ADD COLUMN params TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN edited_schedule INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN edited_time_zone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN edited_params INTEGER NOT NULL DEFAULT 0;
-- Marked first, so that a deletion that is cut short goes on.
ALTER TABLE projects ADD COLUMN deleting INTEGER NOT NULL DEFAULT 0;
-- What the loop has to remember beyond its rows.
CREATE TABLE loop_facts (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
