-- What was measured of a revision before it was served, as JSON; '' for nothing.
ALTER TABLE revisions ADD COLUMN measured TEXT NOT NULL DEFAULT '';
