-- The code that was pushed for a project, and how it is run, as JSON; '' for one
-- that the lab's own trainer trains.
ALTER TABLE projects ADD COLUMN code TEXT NOT NULL DEFAULT '';
