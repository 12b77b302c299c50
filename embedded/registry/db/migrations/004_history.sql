-- To look up the series of every point that is logged cost a sixth of all
-- logging. A trigger removes history as the foreign key did.
CREATE TABLE history (
  series INTEGER NOT NULL,
  step INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  is_nan INTEGER NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (series, step, timestamp, is_nan, value)
) WITHOUT ROWID;
INSERT INTO history SELECT series, step, timestamp, is_nan, value FROM metrics;
DROP TABLE metrics;
ALTER TABLE history RENAME TO metrics;
CREATE TRIGGER history_ends AFTER DELETE ON latest_metrics BEGIN
  DELETE FROM metrics WHERE series = old.series;
END;
