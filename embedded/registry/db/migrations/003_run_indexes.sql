-- Searches filter and order by these, too: without an index of its own a rare
-- status or an unknown name is looked for in every run.
CREATE INDEX runs_by_status ON runs (exp, status);
CREATE INDEX runs_by_name ON runs (exp, name);
CREATE INDEX runs_by_user ON runs (exp, user_id);
CREATE INDEX runs_by_end ON runs (exp, end_time);
-- For searches of all experiments at once.
CREATE INDEX runs_by_time ON runs (lifecycle, start_time DESC, run_id, exp);
