-- What webhooks are still to be told, written in the transaction of the change
-- that they are told of. One row for each webhook that listens.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of commits; never given twice, as a delivery may outlive its row
  webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  delivery_id TEXT NOT NULL, -- what receivers know a delivery by, the same for every try
  entity TEXT NOT NULL,
  action TEXT NOT NULL,
  payload TEXT NOT NULL,     -- as JSON
  created INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  next_try INTEGER NOT NULL
);
CREATE INDEX outbox_by_webhook ON outbox (webhook, id);
