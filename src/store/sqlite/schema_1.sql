-- Format 1. Never edit what was released: the next format is another file, run after this one.
-- Instants are nanoseconds since 1970 in UTC; names and words are as in the API.

-- Lasting counts, one row per term and reason; the minutes of them are purged, these are not.
CREATE TABLE totals (
    operation_id TEXT NOT NULL,
    term         TEXT NOT NULL,
    reason       TEXT NOT NULL,
    n            INTEGER NOT NULL CHECK (n > 0),
    PRIMARY KEY (operation_id, term, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE minutes (
    operation_id TEXT NOT NULL,
    minute       INTEGER NOT NULL,
    term         TEXT NOT NULL,
    reason       TEXT NOT NULL,
    n            INTEGER NOT NULL CHECK (n > 0),
    PRIMARY KEY (operation_id, minute, term, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE signatures (
    id             TEXT PRIMARY KEY,
    operation_id   TEXT NOT NULL,
    part           TEXT NOT NULL,
    path           TEXT NOT NULL,
    kind           TEXT NOT NULL,
    legacy_type    TEXT,
    candidate_type TEXT,
    explanation    TEXT,
    n              INTEGER NOT NULL,
    first_at       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX signatures_of_operation ON signatures (operation_id);

-- Redacted reports as JSON, each filed under every signature in it.
CREATE TABLE samples (
    check_id TEXT PRIMARY KEY,
    at       INTEGER NOT NULL,
    report   TEXT NOT NULL
) STRICT;
CREATE INDEX samples_by_age ON samples (at);

CREATE TABLE sample_signatures (
    signature_id TEXT NOT NULL,
    at           INTEGER NOT NULL,
    check_id     TEXT NOT NULL REFERENCES samples (check_id) ON DELETE CASCADE,
    PRIMARY KEY (signature_id, at, check_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sample_signatures_of_check ON sample_signatures (check_id);

CREATE TABLE stages (
    operation_id TEXT PRIMARY KEY,
    stage        TEXT NOT NULL,
    share        TEXT,
    revision     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    operation_id TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    who          TEXT NOT NULL,
    from_stage   TEXT NOT NULL,
    from_share   TEXT,
    to_stage     TEXT NOT NULL,
    to_share     TEXT,
    reason       TEXT NOT NULL,
    forced       INTEGER NOT NULL,
    automatic    INTEGER NOT NULL,
    evidence     TEXT NOT NULL,
    PRIMARY KEY (operation_id, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_time ON audit (at);

-- What was done stays written. The last one is for INSERT OR REPLACE, which deletes silently.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is never deleted'); END;
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE operation_id = NEW.operation_id AND revision = NEW.revision)
BEGIN SELECT RAISE(ABORT, 'the audit is never replaced'); END;

-- Counts the transactions, so that after a commit that failed half-way it can be told whether it landed.
CREATE TABLE commits (n INTEGER NOT NULL) STRICT;
INSERT INTO commits VALUES (0);
