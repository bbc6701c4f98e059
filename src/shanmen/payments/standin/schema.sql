-- Times are Unix seconds. Rows are never deleted: the bill and the queries look back.
CREATE TABLE IF NOT EXISTS transactions (
  out_trade_no   TEXT PRIMARY KEY,
  transaction_id TEXT NOT NULL UNIQUE,
  request        BLOB NOT NULL,                -- the creating request, in one canonical form
  amount_fen     INTEGER NOT NULL CHECK (amount_fen > 0),
  state          TEXT NOT NULL CHECK (state IN ('NOTPAY', 'SUCCESS', 'CLOSED', 'PAYERROR')),
  expire_at      REAL NOT NULL,
  created_at     REAL NOT NULL,
  paid_at        REAL,
  paid_fen       INTEGER NOT NULL DEFAULT 0,
  refunded_fen   INTEGER NOT NULL DEFAULT 0,
  CHECK ((state = 'SUCCESS') = (paid_at IS NOT NULL)),
  CHECK (refunded_fen BETWEEN 0 AND paid_fen)
) STRICT;
CREATE INDEX IF NOT EXISTS transactions_open ON transactions (expire_at) WHERE state = 'NOTPAY';
CREATE INDEX IF NOT EXISTS transactions_paid ON transactions (paid_at) WHERE paid_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS refunds (
  out_refund_no TEXT PRIMARY KEY,
  refund_id     TEXT NOT NULL UNIQUE,
  out_trade_no  TEXT NOT NULL REFERENCES transactions,
  request       BLOB NOT NULL,
  amount_fen    INTEGER NOT NULL CHECK (amount_fen > 0),
  status        TEXT NOT NULL CHECK (status IN ('SUCCESS', 'PROCESSING', 'ABNORMAL')),
  outcome       TEXT NOT NULL CHECK (outcome IN ('SUCCESS', 'ABNORMAL')), -- of one in process
  created_at    REAL NOT NULL,
  due_at        REAL,                          -- when one in process will be finished by itself
  finished_at   REAL
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_due ON refunds (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS refunds_finished ON refunds (finished_at) WHERE status = 'SUCCESS';

CREATE TABLE IF NOT EXISTS events (
  id            TEXT PRIMARY KEY,
  event_type    TEXT NOT NULL,
  out_trade_no  TEXT NOT NULL REFERENCES transactions,
  out_refund_no TEXT REFERENCES refunds,
  notify_url    TEXT NOT NULL,
  body          BLOB NOT NULL,                 -- sent again byte for byte
  manner        TEXT NOT NULL,                 -- how to send it, a Manner in JSON
  created_at    REAL NOT NULL,
  attempts      INTEGER NOT NULL DEFAULT 0,
  next_at       REAL,                          -- none: taken, given up, or never to be sent
  taken_at      REAL,
  last_answer   TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS events_due ON events (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_of ON events (out_trade_no, created_at);

CREATE TABLE IF NOT EXISTS settings (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;
