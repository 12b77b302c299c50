-- When the version of a revision was registered, which tells it from one of a
-- later model of the same name; 0 if it is not known.
ALTER TABLE revisions ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
-- When it was put into service; 0 if it was not, or if it is not known.
ALTER TABLE revisions ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
