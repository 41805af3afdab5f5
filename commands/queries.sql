-- Reads of the pages, by name (queries.py loads them). No read grows with the tables: what is counted is counted to
-- a limit, what is listed is listed by an index. Looking up one row per message is written as LATERAL … LIMIT 1,
-- because the planner would hash the whole table for 10,000 messages.

-- name: status_counts
-- Every count in one statement, so that they agree. Final and rare ones come from small tables and a partial index.
SELECT
    queue.pending,
    queue.in_progress,
    queue.looked_at,
    (SELECT count(*) FROM (SELECT FROM commandbus.parked WHERE domain = 'test' LIMIT %(limit)s) p) AS parked,
    (SELECT count(*) FROM (SELECT FROM commandbus.audit
        WHERE domain = 'test' AND event_type = 'BUSINESS_RULE_FAILED' LIMIT %(limit)s) f) AS failed,
    (SELECT count(*) FROM (SELECT FROM commandbus.audit
        WHERE domain = 'test' AND event_type = 'OPERATOR_CANCEL' LIMIT %(limit)s) k) AS canceled,
    (SELECT count(*) FROM (SELECT FROM commandbus.audit
        WHERE domain = 'test' AND event_type = 'MESSAGE_REJECTED' LIMIT %(limit)s) r) AS rejected,
    (SELECT count(*) FROM (SELECT FROM commandbus.command WHERE domain = 'test' LIMIT %(limit)s) c) AS total,
    -- As the planner estimates: rows per page at the last ANALYZE, times the pages now. Null before the first one.
    (SELECT (reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::INTEGER)::BIGINT
        FROM pg_class WHERE oid = 'commandbus.command'::regclass AND reltuples >= 0 AND relpages > 0) AS estimate,
    (SELECT (reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::INTEGER)::BIGINT
        FROM pg_class WHERE oid = 'pgmq.q_test__commands'::regclass AND reltuples >= 0 AND relpages > 0) AS queue_estimate
FROM (
    SELECT
        count(*) AS looked_at,
        count(*) FILTER (WHERE c.status = 'PENDING') AS pending,
        count(*) FILTER (WHERE c.status = 'IN_PROGRESS') AS in_progress
    FROM (
        SELECT commandbus.command_id_of(message) AS command_id
        FROM pgmq.q_test__commands ORDER BY msg_id LIMIT %(limit)s
    ) q
    LEFT JOIN LATERAL (
        SELECT status FROM commandbus.command WHERE domain = 'test' AND command_id = q.command_id LIMIT 1
    ) c ON TRUE
) queue;

-- name: workers
-- Those that run, and for a while those that fell silent without having stopped: somebody should look after them.
SELECT *, beat_at >= clock_timestamp() - %(silence)s::INTERVAL AS alive
FROM public.e2e_worker
WHERE stopped_at IS NULL AND beat_at >= clock_timestamp() - %(remembered)s::INTERVAL
ORDER BY alive DESC, started_at DESC
LIMIT 50;

-- name: newest_events
SELECT a.audit_id, a.command_id, a.event_type, a.ts, a.details_json AS details, t.behavior
FROM (SELECT * FROM commandbus.audit ORDER BY audit_id DESC LIMIT %(limit)s) a
LEFT JOIN LATERAL (
    SELECT behavior ->> 'type' AS behavior FROM public.test_command WHERE command_id = a.command_id LIMIT 1
) t ON TRUE
ORDER BY a.audit_id DESC;

-- name: newest_rejected
SELECT audit_id, ts, details_json AS details
FROM commandbus.audit
WHERE domain = 'test' AND event_type = 'MESSAGE_REJECTED'
ORDER BY audit_id DESC
LIMIT %(limit)s;

-- name: command
-- One command with what it was asked to do, what came of it and, while it is queued, when its message is due.
SELECT
    c.command_id, c.status, c.attempts, c.max_attempts, c.queue_name, c.msg_id, c.reply_queue, c.correlation_id,
    c.last_error_type, c.last_error_code, c.last_error_msg, c.created_at, c.updated_at,
    t.behavior, t.payload, t.result, t.attempts AS life_attempts, q.vt AS due
FROM commandbus.command c
LEFT JOIN public.test_command t ON t.command_id = c.command_id
LEFT JOIN pgmq.q_test__commands q ON q.msg_id = c.msg_id
WHERE c.domain = 'test' AND c.command_id = %(command_id)s;

-- name: events
-- One command's story: its newest 1,000 events, which is all of it unless operators retried it again and again.
SELECT event_type, ts, details_json AS details
FROM commandbus.audit
WHERE command_id = %(command_id)s AND domain = 'test'
ORDER BY audit_id DESC
LIMIT 1000;

-- name: replies
-- Replies have no index on their command, so only the newest are looked through.
SELECT msg_id, enqueued_at, message
FROM (SELECT msg_id, enqueued_at, message FROM pgmq.q_test__replies ORDER BY msg_id DESC LIMIT %(limit)s) r
WHERE r.message ->> 'command_id' = %(command_id)s::TEXT
ORDER BY msg_id
LIMIT 20;
