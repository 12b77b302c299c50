-- Schedules had to be in UTC; now each has a zone.
ALTER TABLE projects ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
