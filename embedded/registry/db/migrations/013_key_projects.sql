-- The projects that a key is limited to, as JSON; an empty list is every project.
ALTER TABLE keys ADD COLUMN projects TEXT NOT NULL DEFAULT '[]';
