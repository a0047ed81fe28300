-- Format 3. Checks that were accepted for good. One row in `checks` from its acceptance until it is
-- forgotten; one in `queue` and one in `sealed` for as long as it is not done. They are apart because
-- a lease is renewed often and must not copy the sealed bytes each time.
CREATE TABLE checks (
    seq          INTEGER PRIMARY KEY,
    id           BLOB NOT NULL UNIQUE,
    operation_id TEXT NOT NULL,
    fingerprint  BLOB NOT NULL,
    at           INTEGER NOT NULL,
    done_at      INTEGER,
    outcome      TEXT,
    reason       TEXT,
    differences  TEXT
) STRICT;
CREATE INDEX checks_by_end ON checks (done_at) WHERE done_at IS NOT NULL;

-- `until` is 0 while nobody has the lease; `attempts` counts the leases that ran out.
CREATE TABLE queue (
    seq      INTEGER PRIMARY KEY,
    bytes    INTEGER NOT NULL,
    holder   INTEGER NOT NULL DEFAULT 0,
    until    INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE sealed (
    seq  INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Which key has sealed what waits; not the key.
CREATE TABLE seal (key_id BLOB NOT NULL) STRICT;
