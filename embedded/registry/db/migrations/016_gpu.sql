-- The GPUs that a project asks for, as JSON.
ALTER TABLE projects ADD COLUMN gpu TEXT NOT NULL DEFAULT '{}';
