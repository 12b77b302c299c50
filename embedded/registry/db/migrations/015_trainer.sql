-- What a project's trainer gets of the machine, and its environment, both as
-- JSON. Rows that nobody has edited get those of the configuration at the start.
ALTER TABLE projects ADD COLUMN resources TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN edited_resources INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN environment TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN edited_environment INTEGER NOT NULL DEFAULT 0;
