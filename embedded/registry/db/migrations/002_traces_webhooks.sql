-- Traces: one row each, what is searched in columns, spans as they came.
CREATE TABLE traces (
  id INTEGER PRIMARY KEY,
  trace_id TEXT NOT NULL UNIQUE,
  exp INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  timestamp INTEGER NOT NULL,
  duration INTEGER,
  state TEXT NOT NULL,
  client_request_id TEXT,
  request_preview TEXT,
  response_preview TEXT
);
CREATE INDEX traces_by_time ON traces (exp, timestamp DESC, trace_id);
CREATE TABLE trace_tags (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, key)
) WITHOUT ROWID;
CREATE TABLE trace_metadata (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace, key)
) WITHOUT ROWID;
CREATE INDEX trace_metadata_by_value ON trace_metadata (key, value);
CREATE TABLE spans (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  span_id TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  start INTEGER NOT NULL, -- nanoseconds
  content TEXT NOT NULL,  -- as JSON, to search in
  proto BLOB NOT NULL,    -- as OTLP
  PRIMARY KEY (trace, span_id)
) WITHOUT ROWID;
CREATE TABLE assessments (
  trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
  assessment_id TEXT NOT NULL,
  kind TEXT NOT NULL, -- feedback, expectation or issue
  name TEXT NOT NULL,
  value TEXT,         -- as JSON
  valid INTEGER NOT NULL,
  doc TEXT NOT NULL,
  PRIMARY KEY (trace, assessment_id)
) WITHOUT ROWID;

CREATE TABLE webhooks (
  id INTEGER PRIMARY KEY,
  webhook_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  url TEXT NOT NULL,
  events TEXT NOT NULL, -- a JSON list of "ENTITY.ACTION"
  secret TEXT NOT NULL,
  status TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
);
