-- Experiments, runs and what runs log. Times are milliseconds since the epoch.
CREATE TABLE experiments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  artifact_location TEXT NOT NULL,
  lifecycle TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle IN ('active', 'deleted')),
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
);
CREATE TABLE experiment_tags (
  exp INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (exp, key)
) WITHOUT ROWID;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  exp INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status TEXT NOT NULL,
  start_time INTEGER NOT NULL,
  end_time INTEGER,
  deleted_time INTEGER,
  lifecycle TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle IN ('active', 'deleted')),
  artifact_uri TEXT NOT NULL
);
CREATE INDEX runs_by_start ON runs (exp, lifecycle, start_time DESC, run_id);

-- exp is repeated in the tables that searches filter and sort by, so that one
-- index finds "this key in this experiment, in this order".
CREATE TABLE params (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  exp INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE INDEX params_by_value ON params (exp, key, value);
CREATE TABLE tags (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  exp INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE INDEX tags_by_value ON tags (exp, key, value);

-- The latest point of each metric stands apart: searches never touch history.
CREATE TABLE latest_metrics (
  series INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  exp INTEGER NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  step INTEGER NOT NULL,
  UNIQUE (run, key)
);
CREATE INDEX latest_by_value ON latest_metrics (exp, key, is_nan, value, run);
-- History, clustered by run and key (a series is one key of one run), then step.
CREATE TABLE metrics (
  series INTEGER NOT NULL REFERENCES latest_metrics (series) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  is_nan INTEGER NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (series, step, timestamp, is_nan, value)
) WITHOUT ROWID;

-- Datasets as clients describe them, and which runs read them.
CREATE TABLE input_datasets (
  id INTEGER PRIMARY KEY,
  exp INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source TEXT NOT NULL,
  schema TEXT NOT NULL,
  profile TEXT NOT NULL,
  UNIQUE (exp, name, digest)
);
CREATE TABLE run_inputs (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  dataset INTEGER NOT NULL REFERENCES input_datasets (id) ON DELETE CASCADE,
  context TEXT,
  tags TEXT NOT NULL,
  PRIMARY KEY (run, dataset)
) WITHOUT ROWID;
CREATE INDEX run_inputs_by_dataset ON run_inputs (dataset);

-- Logged models.
CREATE TABLE logged_models (
  id INTEGER PRIMARY KEY,
  model_id TEXT NOT NULL UNIQUE,
  exp INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  artifact_uri TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  status INTEGER NOT NULL,
  status_message TEXT NOT NULL DEFAULT '',
  lifecycle TEXT NOT NULL DEFAULT 'active',
  model_type TEXT NOT NULL,
  source_run_id TEXT NOT NULL
);
CREATE INDEX logged_models_by_created ON logged_models (exp, lifecycle, created DESC, model_id);
CREATE TABLE logged_model_params (
  model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) WITHOUT ROWID;
CREATE TABLE logged_model_tags (
  model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) WITHOUT ROWID;
-- Only the latest point of a metric of a model in a run on a dataset.
CREATE TABLE logged_model_metrics (
  model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  dataset_name TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY (model, key, run, dataset_name, dataset_digest, step, timestamp)
) WITHOUT ROWID;
CREATE INDEX logged_model_metrics_by_run ON logged_model_metrics (run);
CREATE TABLE run_models (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  output INTEGER NOT NULL, -- 0: the run read it, 1: the run made it
  model_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  rank INTEGER NOT NULL, -- in the order they were logged
  PRIMARY KEY (run, output, model_id)
) WITHOUT ROWID;

-- The model registry.
CREATE TABLE registered_models (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  prompt INTEGER NOT NULL DEFAULT 0, -- a prompt is a registered model with a certain tag
  next_version INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE registered_model_tags (
  model INTEGER NOT NULL REFERENCES registered_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) WITHOUT ROWID;
CREATE TABLE model_versions (
  id INTEGER PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES registered_models (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  stage TEXT NOT NULL,
  description TEXT NOT NULL,
  source TEXT NOT NULL,
  storage_location TEXT NOT NULL,
  run_id TEXT NOT NULL,
  run_link TEXT NOT NULL,
  status TEXT NOT NULL,
  status_message TEXT NOT NULL DEFAULT '',
  model_id TEXT NOT NULL,
  UNIQUE (model, version)
);
CREATE INDEX model_versions_by_run ON model_versions (run_id);
CREATE INDEX model_versions_by_model_id ON model_versions (model_id);
CREATE TABLE model_version_tags (
  version INTEGER NOT NULL REFERENCES model_versions (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (version, key)
) WITHOUT ROWID;
CREATE TABLE model_aliases (
  model INTEGER NOT NULL REFERENCES registered_models (id) ON DELETE CASCADE,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES model_versions (model, version) ON DELETE CASCADE
) WITHOUT ROWID;

-- The loop: datasets in the object store, projects and their trainings.
CREATE TABLE datasets (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  bucket TEXT NOT NULL,
  key TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  features INTEGER NOT NULL,
  classes TEXT NOT NULL,
  source TEXT NOT NULL,
  created INTEGER NOT NULL,
  UNIQUE (name, version),
  UNIQUE (name, sha256)
);
CREATE TABLE projects (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  dataset TEXT NOT NULL,
  schedule TEXT NOT NULL,
  node TEXT NOT NULL,
  created INTEGER NOT NULL
);
CREATE TABLE trainings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project INTEGER NOT NULL REFERENCES projects (id),
  trigger TEXT NOT NULL,
  state TEXT NOT NULL,
  job TEXT NOT NULL,
  message TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL,
  ended INTEGER,
  UNIQUE (project, job)
);
CREATE INDEX trainings_by_created ON trainings (project, created DESC);
