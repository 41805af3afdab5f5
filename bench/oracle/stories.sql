-- What became of every command of a run, in temporary tables of the session: one row a command, few words a row.
-- A command's sig stands for all that decides about its verdict, so few of them are looked at, however many commands.

-- name: told
CREATE TEMP TABLE judge_told AS
SELECT command_id, min(kind) AS kind, bool_or(outcome = 'duplicate') AS refused,
       CASE WHEN bool_or(outcome = 'acknowledged') THEN 'acknowledged'
            WHEN bool_or(outcome IN ('unknown', 'duplicate')) THEN 'unknown'
            ELSE 'error' END AS told
FROM public.bench_send
WHERE run_id = %(run)s AND command_id NOT IN (SELECT unnest(%(apart)s::uuid[]))
GROUP BY command_id;

-- name: told_key
ALTER TABLE judge_told ADD PRIMARY KEY (command_id);

-- name: words
CREATE TEMP TABLE judge_word AS
SELECT command_id, string_agg(letter, '' ORDER BY audit_id) AS word, min(ts) FILTER (WHERE letter = 'R') AS began_at,
       min(ts) FILTER (WHERE letter IN ('C', 'B', 'T')) AS ended_at
FROM (
    SELECT command_id, audit_id, ts, %(letters)s::jsonb ->> event_type AS letter
    FROM commandbus.audit JOIN judge_told USING (command_id) WHERE domain = %(domain)s
) event
WHERE letter IS NOT NULL GROUP BY command_id;

-- name: replies
CREATE TEMP TABLE judge_reply AS
SELECT (message ->> 'command_id')::uuid AS command_id, string_agg(message ->> 'outcome', ',' ORDER BY msg_id) AS replies
FROM (SELECT msg_id, message FROM pgmq.:"replies" UNION ALL SELECT msg_id, message FROM pgmq.:"taken") reply
WHERE message ->> 'command_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
GROUP BY message ->> 'command_id';

-- name: executions
CREATE TEMP TABLE judge_done AS
SELECT command_id, count(*) AS executions, count(*) FILTER (WHERE outcome = 'ok') AS effects
FROM public.bench_execution WHERE run_id = %(run)s GROUP BY command_id;

-- name: stories
CREATE TEMP TABLE judge_story AS
SELECT s.*, took_ms + %(tolerance)s < least_ms AS early,
       concat_ws('|', expect_id, told, coalesce(status, '-'), attempts, max_attempts, word, replies, executions,
                 took_ms + %(tolerance)s < least_ms) AS sig
FROM (
    SELECT t.command_id, t.kind, t.told, t.refused, c.status, coalesce(c.attempts, 0) AS attempts,
           coalesce(c.max_attempts, 0) AS max_attempts, coalesce(w.word, '') AS word, coalesce(r.replies, '') AS replies,
           coalesce(d.executions, 0) AS executions, coalesce(d.effects, 0) AS effects,
           extract(epoch FROM w.ended_at - w.began_at)::float8 * 1000 AS took_ms,
           coalesce(x.expect_id, k.expect_id) AS expect_id
    FROM judge_told t
    LEFT JOIN commandbus.command c ON c.domain = %(domain)s AND c.command_id = t.command_id
    LEFT JOIN judge_word w ON w.command_id = t.command_id
    LEFT JOIN judge_reply r ON r.command_id = t.command_id
    LEFT JOIN judge_done d ON d.command_id = t.command_id
    LEFT JOIN judge_rolled x ON x.command_id = t.command_id
    LEFT JOIN judge_kind k ON k.kind = t.kind
) s LEFT JOIN judge_least USING (expect_id);

-- name: groups
SELECT sig, min(expect_id) AS expect_id, min(kind) AS kind, min(told) AS told, min(status) AS status,
       min(attempts) AS attempts, min(max_attempts) AS max_attempts, min(word) AS word, min(replies) AS replies,
       min(executions) AS executions, min(took_ms) AS took_ms
FROM judge_story GROUP BY sig;

-- name: group_table
CREATE TEMP TABLE judge_group (sig TEXT PRIMARY KEY, verdict TEXT NOT NULL, why TEXT NOT NULL, deviation TEXT);

-- name: faults
CREATE TEMP TABLE judge_fault (fault TEXT NOT NULL, began_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ NOT NULL);

-- name: suspects
CREATE TEMP TABLE judge_suspect AS
SELECT s.command_id, s.kind, s.sig, s.took_ms FROM judge_story s JOIN judge_group USING (sig)
WHERE verdict IN ('MISMATCH', 'KNOWN') AND status IS NOT NULL;

-- Attempts that began, whether their end counted, and when the next one began. The library's COMPLETED names no attempt:
-- it ended the last one.
-- name: attempts
CREATE TEMP TABLE judge_attempt AS
WITH event AS (
    SELECT command_id, audit_id, ts, event_type, details_json ->> 'reason' AS reason,
           CASE WHEN details_json ->> 'msg_id' ~ '^[0-9]{1,18}$' THEN (details_json ->> 'msg_id')::bigint END AS msg_id,
           CASE WHEN details_json ->> 'attempt' ~ '^[0-9]{1,9}$' THEN (details_json ->> 'attempt')::int END AS attempt
    FROM commandbus.audit JOIN judge_suspect USING (command_id) WHERE domain = %(domain)s
), begun AS (
    SELECT command_id, msg_id, attempt, ts, lead(ts) OVER (PARTITION BY command_id ORDER BY audit_id) AS next_ts
    FROM event WHERE event_type = 'RECEIVED'
), last AS (
    SELECT command_id, max(attempt) AS last_attempt FROM begun GROUP BY command_id
), ended AS (
    SELECT DISTINCT command_id, msg_id, coalesce(attempt, last_attempt) AS attempt FROM event JOIN last USING (command_id)
    WHERE event_type IN ('COMPLETED', 'FAILED', 'MOVED_TO_TSQ', 'BUSINESS_RULE_FAILED')
      AND reason IS DISTINCT FROM 'LEASE_EXPIRED'
)
SELECT b.*, e.command_id IS NOT NULL AS counted
FROM begun b LEFT JOIN ended e ON e.command_id = b.command_id AND e.msg_id = b.msg_id AND e.attempt = b.attempt;

-- An attempt was lost where its end did not count, and a fault was there that may have kept it: while it ran, if the
-- ledger knows no end of it, else when it ended.
-- name: losses
CREATE TEMP TABLE judge_loss AS
SELECT command_id, count(*)::int AS kills, min(fault) AS fault
FROM judge_attempt a
LEFT JOIN LATERAL (
    SELECT max(x.ended_at) AS ended_at FROM public.bench_execution x
    WHERE x.run_id = %(run)s AND x.command_id = a.command_id AND x.msg_id = a.msg_id AND x.attempt = a.attempt
) x ON TRUE
CROSS JOIN LATERAL (
    SELECT fault FROM judge_fault f
    WHERE f.began_at <= coalesce(a.next_ts, 'infinity')
      AND f.ended_at >= coalesce(least(x.ended_at, a.next_ts) - interval '1 s', a.ts)
      AND f.ended_at >= a.ts
    ORDER BY f.began_at DESC LIMIT 1
) f
WHERE NOT a.counted GROUP BY command_id;

-- name: losses_by_kind
SELECT DISTINCT kind, kills FROM judge_suspect JOIN judge_loss USING (command_id);

-- name: losses_of_rolled
SELECT command_id, kind, kills FROM judge_suspect JOIN judge_loss USING (command_id)
WHERE command_id > %(after)s ORDER BY command_id LIMIT %(limit)s;

-- name: wider_kind_table
CREATE TEMP TABLE judge_wider_kind (kind TEXT, kills INTEGER, expect_id INTEGER NOT NULL, PRIMARY KEY (kind, kills));

-- name: wider_rolled_table
CREATE TEMP TABLE judge_wider_rolled (command_id UUID PRIMARY KEY, expect_id INTEGER NOT NULL);

-- name: wider
CREATE TEMP TABLE judge_wider AS
SELECT w.*, concat_ws('|', wider_id, kills, fault, took_ms + %(tolerance)s < least_ms, sig) AS wider_sig
FROM (
    SELECT s.*, l.kills, l.fault, coalesce(r.expect_id, k.expect_id) AS wider_id
    FROM judge_suspect s JOIN judge_loss l USING (command_id)
    LEFT JOIN judge_wider_rolled r USING (command_id)
    LEFT JOIN judge_wider_kind k ON k.kind = s.kind AND k.kills = l.kills
) w JOIN judge_least ON expect_id = wider_id;

-- name: no_wider
CREATE TEMP TABLE judge_wider (command_id UUID, wider_sig TEXT);

-- name: wider_groups
SELECT wider_sig AS sig, min(wider_id) AS expect_id, min(w.kills) AS kills, min(w.fault) AS fault,
       min(s.status) AS status, min(s.word) AS word, min(s.replies) AS replies, min(s.took_ms) AS took_ms
FROM judge_wider w JOIN judge_story s USING (command_id) GROUP BY wider_sig;

-- name: allowed_table
CREATE TEMP TABLE judge_allowed (wider_sig TEXT PRIMARY KEY, why TEXT NOT NULL);

-- name: verdicts
CREATE TEMP TABLE judge_verdict AS
SELECT s.command_id, s.kind, regexp_replace(s.kind, '/(reply|silent)$', '') AS behavior, s.told, s.refused, s.status,
       CASE WHEN s.status IS NULL AND s.told <> 'error' THEN g.verdict ELSE s.status END AS cell,
       s.attempts, s.word, s.replies, s.effects, s.expect_id, g.deviation,
       CASE WHEN a.why IS NULL THEN g.verdict ELSE 'ALLOWED' END AS verdict, coalesce(a.why, g.why) AS why
FROM judge_story s JOIN judge_group g USING (sig)
LEFT JOIN judge_wider w USING (command_id) LEFT JOIN judge_allowed a USING (wider_sig);

-- name: account
SELECT count(*) AS attempted, count(*) FILTER (WHERE told = 'acknowledged') AS acknowledged,
       count(*) FILTER (WHERE told = 'error') AS errors, count(*) FILTER (WHERE told = 'unknown') AS unknown,
       count(*) FILTER (WHERE refused) AS duplicates_refused,
       count(*) FILTER (WHERE told = 'unknown' AND status IS NOT NULL) AS recovered,
       count(*) FILTER (WHERE told = 'acknowledged' AND status = 'COMPLETED') AS completed,
       count(*) FILTER (WHERE told = 'acknowledged' AND status = 'FAILED') AS failed,
       count(*) FILTER (WHERE told = 'acknowledged' AND status = 'IN_TROUBLESHOOTING_QUEUE') AS parked,
       count(*) FILTER (WHERE told = 'acknowledged' AND status = 'CANCELED') AS canceled,
       count(*) FILTER (WHERE told = 'acknowledged' AND status IN ('PENDING', 'IN_PROGRESS')) AS stuck,
       count(*) FILTER (WHERE told = 'acknowledged' AND status IS NULL) AS lost,
       count(*) FILTER (WHERE told = 'error' AND status IS NOT NULL) AS untold,
       count(*) FILTER (WHERE word LIKE '%%RR%%') AS duplicate_deliveries,
       count(*) FILTER (WHERE effects > 1) AS duplicate_effects,
       count(*) FILTER (WHERE replies LIKE '%%,%%') AS duplicate_replies
FROM judge_verdict;

-- name: unsent
SELECT count(*) OVER () AS n, command_id FROM commandbus.command c
WHERE domain = %(domain)s AND NOT EXISTS (SELECT FROM judge_told t WHERE t.command_id = c.command_id)
  AND command_id NOT IN (SELECT unnest(%(apart)s::uuid[]))
LIMIT %(limit)s;

-- name: verdict_counts
SELECT verdict, count(*) AS n FROM judge_verdict WHERE verdict <> '' GROUP BY verdict;

-- name: deviations
SELECT deviation, count(*) AS n, (array_agg(command_id))[1:%(limit)s] AS commands FROM judge_verdict
WHERE verdict = 'KNOWN' GROUP BY deviation;

-- name: cells
SELECT behavior, min(kind) AS kind, cell, attempts, verdict, expect_id, count(*) AS n
FROM judge_verdict WHERE cell IS NOT NULL GROUP BY behavior, cell, attempts, verdict, expect_id
ORDER BY behavior, cell, attempts, verdict;

-- name: of_cell
SELECT command_id FROM judge_verdict WHERE behavior = %(behavior)s AND cell = %(cell)s AND verdict = %(verdict)s LIMIT %(limit)s;

-- name: of_verdict
SELECT command_id FROM judge_verdict WHERE verdict = %(verdict)s LIMIT %(limit)s;

-- name: told_stories
SELECT v.command_id, v.behavior, v.verdict, v.why, v.word, v.expect_id, coalesce(v.status, '') AS status
FROM judge_verdict v WHERE v.command_id = ANY (%(ids)s);

-- name: told_events
SELECT command_id, ts, event_type, details_json ->> 'attempt' AS attempt, details_json ->> 'msg_id' AS msg_id,
       coalesce(details_json ->> 'error_code', details_json ->> 'reason', '') AS code
FROM commandbus.audit WHERE domain = %(domain)s AND command_id = ANY (%(ids)s) ORDER BY audit_id;

-- name: told_executions
SELECT command_id, attempt, msg_id, worker, began_at, ended_at, coalesce(outcome, '') AS outcome
FROM public.bench_execution WHERE run_id = %(run)s AND command_id = ANY (%(ids)s) ORDER BY began_at;

-- name: lanes
SELECT command_id, attempt, msg_id, worker, began_at, ended_at, coalesce(outcome, '') AS outcome
FROM public.bench_execution WHERE run_id = %(run)s ORDER BY began_at OFFSET %(offset)s LIMIT %(limit)s;

-- name: lanes_before
SELECT count(*) AS n FROM public.bench_execution WHERE run_id = %(run)s AND began_at < %(moment)s;
