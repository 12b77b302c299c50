-- Deployments of any model, beside those of projects.
ALTER TABLE deployments ADD COLUMN own INTEGER NOT NULL DEFAULT 0; -- made by deploy, with a volume of its own
ALTER TABLE deployments ADD COLUMN replicas INTEGER NOT NULL DEFAULT 1;
ALTER TABLE deployments ADD COLUMN deleting INTEGER NOT NULL DEFAULT 0; -- it goes once the cluster has let go of it
