-- Guided labs: who took which, and what came of it. Times are ms since 1970, 0 for never.
CREATE TABLE lab_sessions (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  lab     TEXT    NOT NULL,
  user    TEXT    NOT NULL,
  room    TEXT    NOT NULL,
  state   TEXT    NOT NULL,
  problem TEXT    NOT NULL DEFAULT '',
  timed   INTEGER NOT NULL,
  opened  INTEGER NOT NULL,
  ready   INTEGER NOT NULL DEFAULT 0,
  closed  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX lab_sessions_room ON lab_sessions (room) WHERE state <> 'closed';
CREATE UNIQUE INDEX lab_sessions_user ON lab_sessions (user, lab) WHERE state <> 'closed';
CREATE INDEX lab_sessions_history ON lab_sessions (user, id);

-- A reset takes a pass back (standing is 0); learned stays: when the learner first passed without the author's solution.
CREATE TABLE lab_passes (
  session  INTEGER NOT NULL REFERENCES lab_sessions (id) ON DELETE CASCADE,
  task     TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  solved   INTEGER NOT NULL,
  standing INTEGER NOT NULL,
  learned  INTEGER NOT NULL,
  PRIMARY KEY (session, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE lab_hints (
  id      INTEGER PRIMARY KEY,
  session INTEGER NOT NULL REFERENCES lab_sessions (id) ON DELETE CASCADE,
  task    TEXT    NOT NULL,
  tier    INTEGER NOT NULL,
  topic   TEXT    NOT NULL,
  text    TEXT    NOT NULL,
  at      INTEGER NOT NULL
) STRICT;
CREATE INDEX lab_hints_session ON lab_hints (session, id);

CREATE TABLE lab_answers (
  session  INTEGER NOT NULL REFERENCES lab_sessions (id) ON DELETE CASCADE,
  task     TEXT    NOT NULL,
  question TEXT    NOT NULL,
  answer   TEXT    NOT NULL,
  correct  INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (session, task, question)
) STRICT, WITHOUT ROWID;

CREATE TABLE lab_breaks (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  session INTEGER NOT NULL REFERENCES lab_sessions (id) ON DELETE CASCADE,
  fault   TEXT    NOT NULL,
  seed    INTEGER NOT NULL,
  timed   INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  mended  INTEGER NOT NULL DEFAULT 0,
  gave_up INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX lab_breaks_session ON lab_breaks (session, id);

-- The room of a guided lab that a key belongs to; such a key also reads the metrics.
ALTER TABLE keys ADD COLUMN room TEXT NOT NULL DEFAULT '';
