//! Every statement that the SQLite store runs once it is open, in the order of the trait.

/// Counts this transaction and tells its number.
pub(super) const COUNT_COMMIT: &str = "UPDATE commits SET n = n + 1 RETURNING n";

pub(super) const LAST_COMMIT: &str = "SELECT n FROM commits";

pub(super) const ADD_TOTAL: &str = "
    INSERT INTO totals (operation_id, term, reason, n) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET n = n + excluded.n";

pub(super) const ADD_MINUTE: &str = "
    INSERT INTO minutes (operation_id, minute, term, reason, n) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET n = n + excluded.n";

pub(super) const HAS_SIGNATURE: &str = "SELECT 1 FROM signatures WHERE id = ?1";

/// Without the one that counts the rest.
pub(super) const COUNT_SIGNATURES: &str =
    "SELECT count(*) FROM signatures WHERE operation_id = ?1 AND id <> ?2";

pub(super) const ADD_SIGNATURE: &str = "
    INSERT INTO signatures
        (id, operation_id, part, path, kind, legacy_type, candidate_type, explanation, n, first_at, last_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9)
    ON CONFLICT DO NOTHING";

pub(super) const SEE_SIGNATURE: &str = "
    UPDATE signatures SET n = n + ?2, reversed = reversed + ?4, first_at = min(first_at, ?3),
                          last_at = max(last_at, ?3)
    WHERE id = ?1";

pub(super) const HEAR_NOISE: &str =
    "UPDATE signatures SET noise = noise + ?2, last_at = max(last_at, ?3) WHERE id = ?1";

pub(super) const EXPLANATIONS: &str = "SELECT explanations FROM signatures WHERE id = ?1";

pub(super) const EXPLAIN_SIGNATURE: &str =
    "UPDATE signatures SET explanations = ?2, explanation = ?3 WHERE id = ?1";

pub(super) const FORGET_SAMPLE: &str = "DELETE FROM samples WHERE check_id = ?1";

pub(super) const ADD_SAMPLE: &str = "INSERT INTO samples (check_id, at, report) VALUES (?1, ?2, ?3)";

pub(super) const FILE_SAMPLE: &str = "
    INSERT INTO sample_signatures (signature_id, at, check_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

/// Takes the samples beyond the newest ?2 from a signature and tells which they were.
pub(super) const TRIM_SAMPLES: &str = "
    DELETE FROM sample_signatures WHERE signature_id = ?1 AND (at, check_id) IN (
        SELECT at, check_id FROM sample_signatures WHERE signature_id = ?1
        ORDER BY at DESC, check_id DESC LIMIT -1 OFFSET ?2)
    RETURNING check_id";

pub(super) const FORGET_UNFILED_SAMPLE: &str = "
    DELETE FROM samples WHERE check_id = ?1
        AND NOT EXISTS (SELECT 1 FROM sample_signatures WHERE sample_signatures.check_id = ?1)";

pub(super) const MOVE_STAGE: &str = "
    INSERT INTO stages (operation_id, stage, share, revision) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET stage = excluded.stage, share = excluded.share, revision = excluded.revision
    WHERE excluded.revision > stages.revision";

pub(super) const AUDIT_OF_REVISION: &str = "
    SELECT at, who, operation_id, from_stage, from_share, to_stage, to_share, reason, forced, automatic, revision,
           evidence
    FROM audit WHERE operation_id = ?1 AND revision = ?2";

pub(super) const ADD_AUDIT: &str = "
    INSERT INTO audit
        (at, who, operation_id, from_stage, from_share, to_stage, to_share, reason, forced, automatic, revision,
         evidence)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

pub(super) const TOTALS: &str = "SELECT operation_id, term, reason, n FROM totals ORDER BY operation_id";

pub(super) const EVIDENCES: &str = "
    SELECT operation_id, rules, version, number, unseen, matched, unmatched, failed, recent, faults, registers
    FROM evidence LEFT JOIN evidence_requests USING (operation_id, rules, version) ORDER BY operation_id, number";

pub(super) const EVIDENCE: &str = "
    SELECT operation_id, rules, version, number, unseen, matched, unmatched, failed, recent, faults, registers
    FROM evidence LEFT JOIN evidence_requests USING (operation_id, rules, version)
    WHERE operation_id = ?1 AND rules = ?2 AND version = ?3";

pub(super) const HAS_RULES: &str = "SELECT 1 FROM evidence WHERE operation_id = ?1 AND rules = ?2";

/// Gives what was known of no rules (?3) to these.
pub(super) const ADOPT_EVIDENCE: &str =
    "UPDATE evidence SET rules = ?2 WHERE operation_id = ?1 AND rules = ?3";

/// A place for one more evidence, the newest.
pub(super) const ADD_EVIDENCE: &str = "
    INSERT INTO evidence (operation_id, rules, version, number, unseen, matched, unmatched, failed, recent, faults)
    SELECT ?1, ?2, ?3, coalesce(max(number) + 1, 0), 0, 0, 0, 0, x'0000', x'' FROM evidence WHERE operation_id = ?1";

pub(super) const KEEP_EVIDENCE: &str = "
    UPDATE evidence SET matched = ?4, unmatched = ?5, failed = ?6, recent = ?7, faults = ?8
    WHERE operation_id = ?1 AND rules = ?2 AND version = ?3";

pub(super) const KEEP_REQUESTS: &str = "
    INSERT INTO evidence_requests (operation_id, rules, version, registers) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET registers = excluded.registers";

/// Of all evidences of the operation, only this one was seen, ?4 times.
pub(super) const SEE_EVIDENCE: &str = "
    UPDATE evidence SET unseen = CASE WHEN rules = ?2 AND version = ?3 THEN 0 ELSE unseen + ?4 END
    WHERE operation_id = ?1";

/// Forgets the evidence that was not seen for longest, once there are as many as ?2.
pub(super) const FORGET_EVIDENCE: &str = "
    DELETE FROM evidence WHERE operation_id = ?1 AND (rules, version) IN (
        SELECT rules, version FROM evidence WHERE operation_id = ?1 ORDER BY unseen, number DESC LIMIT -1 OFFSET ?2)
    RETURNING rules, version";

pub(super) const FORGET_REQUESTS: &str =
    "DELETE FROM evidence_requests WHERE operation_id = ?1 AND rules = ?2 AND version = ?3";

pub(super) const OPERATIONS: &str = "SELECT DISTINCT operation_id FROM totals";

pub(super) const MINUTES: &str = "
    SELECT minute, term, reason, n FROM minutes WHERE operation_id = ?1 AND minute >= ?2 ORDER BY minute";

pub(super) const SIGNATURES: &str = "
    SELECT id, operation_id, part, path, kind, legacy_type, candidate_type, explanation, n, first_at, last_at, noise,
           reversed
    FROM signatures WHERE operation_id = ?1 ORDER BY n DESC, last_at DESC, id";

pub(super) const SIGNATURE: &str = "
    SELECT id, operation_id, part, path, kind, legacy_type, candidate_type, explanation, n, first_at, last_at, noise,
           reversed
    FROM signatures WHERE id = ?1";

pub(super) const SAMPLES: &str = "
    SELECT report FROM sample_signatures JOIN samples USING (check_id)
    WHERE signature_id = ?1 ORDER BY sample_signatures.at DESC, check_id DESC LIMIT ?2";

pub(super) const SAMPLE: &str = "SELECT report FROM samples WHERE check_id = ?1";

pub(super) const STAGES: &str = "
    SELECT operation_id, stage, share, revision, coalesce(json_type(evidence, '$.retired') = 'true', FALSE)
    FROM stages LEFT JOIN audit USING (operation_id, revision) ORDER BY operation_id";

pub(super) const AUDIT: &str = "
    SELECT at, who, operation_id, from_stage, from_share, to_stage, to_share, reason, forced, automatic, revision,
           evidence
    FROM audit WHERE ?1 IS NULL OR operation_id = ?1 ORDER BY at DESC, revision DESC, operation_id DESC LIMIT ?2";

pub(super) const PURGE_SAMPLES: &str = "
    DELETE FROM samples WHERE check_id IN (SELECT check_id FROM samples WHERE at < ?1 ORDER BY at, check_id LIMIT ?2)";

/// Operation by operation, because that is how minutes are sorted.
pub(super) const PURGE_MINUTES: &str = "
    DELETE FROM minutes WHERE (operation_id, minute, term, reason) IN (
        SELECT operation_id, minute, term, reason FROM minutes WHERE operation_id = ?1 AND minute < ?2 LIMIT ?3)";

pub(super) const FINGERPRINT: &str = "SELECT fingerprint FROM checks WHERE id = ?1";

pub(super) const ADD_CHECK: &str =
    "INSERT INTO checks (id, operation_id, fingerprint, at, done_at, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const ADD_WAITING: &str = "INSERT INTO queue (seq, bytes) VALUES (?1, ?2)";

pub(super) const ADD_SEALED: &str = "INSERT INTO sealed (seq, body) VALUES (?1, ?2)";

/// Ends a check that is not done, and tells which row and whose it is. One without a fingerprint is
/// dated back, so that it is forgotten earlier than the others.
pub(super) const END_CHECK: &str = "
    UPDATE checks SET done_at = iif(fingerprint = x'', ?6, ?2), outcome = ?3, reason = ?4, differences = ?5
    WHERE id = ?1 AND done_at IS NULL RETURNING seq, operation_id";

pub(super) const DEQUEUE: &str = "DELETE FROM queue WHERE seq = ?1";

pub(super) const ERASE_SEALED: &str = "DELETE FROM sealed WHERE seq = ?1";

pub(super) const CLAIMABLE: &str = "
    SELECT queue.seq, queue.bytes, queue.attempts + (queue.holder <> 0), checks.id, checks.operation_id,
           checks.fingerprint <> x''
    FROM queue JOIN checks USING (seq) WHERE queue.until <= ?1 ORDER BY queue.seq LIMIT ?2";

pub(super) const TAKE_LEASE: &str = "UPDATE queue SET holder = ?2, until = ?3, attempts = ?4 WHERE seq = ?1";

pub(super) const SEALED: &str = "SELECT body FROM sealed WHERE seq = ?1";

pub(super) const RENEW: &str = "
    UPDATE queue SET until = ?2 WHERE holder = ?1 AND seq = (SELECT seq FROM checks WHERE id = ?3)";

pub(super) const RELEASE: &str = "
    UPDATE queue SET holder = 0, until = 0
    WHERE holder = ?1 AND seq = (SELECT seq FROM checks WHERE id = ?2)";

/// A lease that ran out at the beginning of time.
pub(super) const OUTLIVE: &str = "UPDATE queue SET until = 0 WHERE holder NOT IN (0, ?1)";

pub(super) const KEPT: &str =
    "SELECT operation_id, done_at, outcome, reason, differences, at FROM checks WHERE id = ?1";

pub(super) const BACKLOG: &str = "
    SELECT operation_id, count(*), sum(bytes) FROM queue JOIN checks USING (seq)
    GROUP BY operation_id ORDER BY operation_id";

pub(super) const FORGET_DONE: &str = "
    DELETE FROM checks WHERE seq IN (
        SELECT seq FROM checks WHERE done_at < ?1 ORDER BY done_at LIMIT ?2)";

pub(super) const KEY: &str = "SELECT key_id FROM seal";

pub(super) const IS_WAITING: &str = "SELECT 1 FROM queue LIMIT 1";

pub(super) const FORGET_KEY: &str = "DELETE FROM seal";

pub(super) const NOTE_KEY: &str = "INSERT INTO seal (key_id) VALUES (?1)";
