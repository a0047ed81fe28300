-- Format 5. What checks have shown, for each version of the candidate and each set of rules; a bounded
-- number of rows for each operation. `number` counts them, `unseen` the checks of others since this one
-- was seen; `recent` and `faults` are written with every change, `registers` only when a request is new.
CREATE TABLE evidence (
    operation_id TEXT NOT NULL,
    rules        TEXT NOT NULL,
    version      TEXT NOT NULL,
    number       INTEGER NOT NULL,
    unseen       INTEGER NOT NULL,
    matched      INTEGER NOT NULL,
    unmatched    INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    recent       BLOB NOT NULL,
    faults       BLOB NOT NULL,
    PRIMARY KEY (operation_id, rules, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence_requests (
    operation_id TEXT NOT NULL,
    rules        TEXT NOT NULL,
    version      TEXT NOT NULL,
    registers    BLOB NOT NULL,
    PRIMARY KEY (operation_id, rules, version)
) STRICT;

-- The counts so far are what a version without a name has shown under rules that nobody noted.
INSERT INTO evidence
SELECT operation_id, '0000000000000000', '', 0, 0,
       sum(CASE term WHEN 'matched' THEN n ELSE 0 END),
       sum(CASE term WHEN 'unmatched' THEN n ELSE 0 END),
       sum(CASE term WHEN 'failed' THEN n ELSE 0 END),
       x'0000', x''
FROM totals WHERE term IN ('matched', 'unmatched', 'failed') GROUP BY operation_id;
