-- What a project's trainer gets of the machine, and its environment, both as
-- JSON. Rows that nobody has edited get those of the configuration at the start.
ALTER TABLE projects ADD COLUMN resources TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN edited_resources INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN environment TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN edited_environment INTEGER NOT NULL DEFAULT 0;
-- The code, by its digest, and the image of trainings, and of the trainings that
-- have made the versions of revisions; '' where they are not known. What was
-- recorded before takes them from the tags of its run.
ALTER TABLE trainings ADD COLUMN code TEXT NOT NULL DEFAULT '';
ALTER TABLE trainings ADD COLUMN image TEXT NOT NULL DEFAULT '';
ALTER TABLE revisions ADD COLUMN code TEXT NOT NULL DEFAULT '';
ALTER TABLE revisions ADD COLUMN image TEXT NOT NULL DEFAULT '';
UPDATE revisions SET
  code = coalesce((SELECT g.value FROM runs r JOIN tags g ON g.run = r.id AND g.key = 'benchtop.code.sha256' WHERE r.run_id = revisions.run_id), ''),
  image = coalesce((SELECT g.value FROM runs r JOIN tags g ON g.run = r.id AND g.key = 'benchtop.image' WHERE r.run_id = revisions.run_id), '');
UPDATE trainings SET
  code = coalesce((SELECT g.value FROM projects p JOIN experiments e ON e.name = p.name
    JOIN tags j ON j.exp = e.id AND j.key = 'benchtop.job' AND j.value = trainings.job
    JOIN tags g ON g.run = j.run AND g.key = 'benchtop.code.sha256' WHERE p.id = trainings.project LIMIT 1), ''),
  image = coalesce((SELECT g.value FROM projects p JOIN experiments e ON e.name = p.name
    JOIN tags j ON j.exp = e.id AND j.key = 'benchtop.job' AND j.value = trainings.job
    JOIN tags g ON g.run = j.run AND g.key = 'benchtop.image' WHERE p.id = trainings.project LIMIT 1), '');
-- The page of a version asks where that version is served.
CREATE INDEX revisions_by_version ON revisions (model, version);
