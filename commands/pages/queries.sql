-- Reads of the pages, by name (queries.py loads them). No read grows with the tables: what is counted is counted to
-- a limit, what is listed is listed by an index. Looking up one row per message is written as LATERAL … LIMIT 1,
-- because the planner would hash the whole table for 10,000 messages.

-- name: status_counts
-- Every count in one statement, so that they agree. Final and rare ones come from small tables and a partial index.
-- Commands of all domains share a table; how many of them belong to this one is counted to the limit, and estimated
-- beyond it. The planner's statistics say how many rows there are (rows per page at the last ANALYZE, times the pages
-- now) and which share of them this domain has. A load test makes them wrong for a minute: so the estimate is never more
-- than the messages that were ever sent to the queue. Null before the first ANALYZE or VACUUM.
SELECT
    queue.pending,
    queue.in_progress,
    queue.looked_at,
    (SELECT count(*) FROM (SELECT FROM commandbus.parked WHERE domain = %(domain)s LIMIT %(limit)s) p) AS parked,
    (SELECT count(*) FROM (SELECT FROM commandbus.audit
        WHERE domain = %(domain)s AND event_type = 'BUSINESS_RULE_FAILED' LIMIT %(limit)s) f) AS failed,
    (SELECT count(*) FROM (SELECT FROM commandbus.audit
        WHERE domain = %(domain)s AND event_type = 'OPERATOR_CANCEL' LIMIT %(limit)s) k) AS canceled,
    (SELECT count(*) FROM (SELECT FROM commandbus.audit
        WHERE domain = %(domain)s AND event_type = 'MESSAGE_REJECTED' LIMIT %(limit)s) r) AS rejected,
    commandbus.count_commands(%(domain)s, %(limit)s) AS total,
    (
        SELECT least(
            (reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::INTEGER * coalesce((
                SELECT coalesce((
                    SELECT v.share FROM unnest(most_common_vals::TEXT::TEXT[], most_common_freqs) AS v (domain, share)
                    WHERE v.domain = %(domain)s), 0)
                FROM pg_stats WHERE schemaname = 'commandbus' AND tablename = 'command' AND attname = 'domain'
            ), 1))::BIGINT,
            coalesce(pg_sequence_last_value(
                pg_get_serial_sequence('pgmq.q_' || %(domain)s || '__commands', 'msg_id')::regclass), 0))
        FROM pg_class WHERE oid = 'commandbus.command'::regclass AND reltuples >= 0 AND relpages > 0
    ) AS estimate,
    (SELECT (reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::INTEGER)::BIGINT
        FROM pg_class WHERE oid = ('pgmq.q_' || %(domain)s || '__commands')::regclass AND reltuples >= 0 AND relpages > 0
    ) AS queue_estimate
FROM (
    SELECT
        count(*) AS looked_at,
        count(*) FILTER (WHERE c.status = 'PENDING') AS pending,
        count(*) FILTER (WHERE c.status = 'IN_PROGRESS') AS in_progress
    FROM (
        -- Only the queue of the domain is read: the condition on the other is false before anything is.
        (SELECT commandbus.command_id_of(message) AS command_id
         FROM pgmq.q_test__commands WHERE %(domain)s = 'test' ORDER BY msg_id LIMIT %(limit)s)
        UNION ALL
        (SELECT commandbus.command_id_of(message) AS command_id
         FROM pgmq.q_loadtest__commands WHERE %(domain)s = 'loadtest' ORDER BY msg_id LIMIT %(limit)s)
    ) q
    LEFT JOIN LATERAL (
        SELECT status FROM commandbus.command WHERE domain = %(domain)s AND command_id = q.command_id LIMIT 1
    ) c ON TRUE
) queue;

-- name: workers
-- Those that run, and for a while those that fell silent without having stopped: somebody should look after them.
SELECT *, beat_at >= clock_timestamp() - %(silence)s::INTERVAL AS alive
FROM public.e2e_worker
WHERE queue_name = %(queue)s AND stopped_at IS NULL AND beat_at >= clock_timestamp() - %(remembered)s::INTERVAL
ORDER BY alive DESC, started_at DESC
LIMIT 50;

-- name: newest_events
-- The events of all domains share a table, in the order of writing: a domain's newest are soon found, unless a load test
-- wrote the newest million. So no more than look_back events are looked at, and where that gives too few, the events of
-- the newest commands are added (far), which an index over SENT finds for domain test.
WITH near AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM commandbus.audit ORDER BY audit_id DESC LIMIT %(look_back)s) newest
    WHERE domain = %(domain)s
    ORDER BY audit_id DESC LIMIT %(limit)s
), sent AS MATERIALIZED (
    -- Planned by itself: as part of the join, a walk through the whole table was chosen for the sake of a row less.
    SELECT command_id FROM commandbus.audit
    WHERE domain = 'test' AND event_type = 'SENT'
        AND %(domain)s = 'test' AND (SELECT count(*) FROM near) < %(limit)s
    ORDER BY audit_id DESC LIMIT %(commands)s
), far AS (
    SELECT a.*
    FROM sent
    CROSS JOIN LATERAL (
        SELECT * FROM commandbus.audit WHERE command_id = sent.command_id AND domain = 'test'
        ORDER BY audit_id DESC LIMIT %(limit)s
    ) a
    WHERE a.audit_id <> ALL (ARRAY(SELECT audit_id FROM near))
)
SELECT a.audit_id, a.command_id, a.event_type, a.ts, a.details_json AS details, a.far, t.behavior
FROM (
    SELECT *, FALSE AS far FROM near UNION ALL SELECT *, TRUE AS far FROM far ORDER BY audit_id DESC LIMIT %(limit)s
) a
LEFT JOIN LATERAL (
    SELECT behavior ->> 'type' AS behavior FROM public.test_command WHERE command_id = a.command_id LIMIT 1
) t ON TRUE
ORDER BY a.audit_id DESC;

-- name: newest_rejected
SELECT audit_id, ts, details_json AS details
FROM commandbus.audit
WHERE domain = %(domain)s AND event_type = 'MESSAGE_REJECTED'
ORDER BY audit_id DESC
LIMIT %(limit)s;

-- name: command
-- One command with what it was asked to do, what came of it and, while it is queued, when its message is due.
SELECT
    c.domain, c.command_id, c.status, c.attempts, c.max_attempts, c.queue_name, c.msg_id, c.reply_queue, c.correlation_id,
    c.last_error_type, c.last_error_code, c.last_error_msg, c.created_at, c.updated_at,
    t.behavior, t.payload, t.result, t.attempts AS life_attempts, q.vt AS due
FROM commandbus.command c
LEFT JOIN public.test_command t ON t.command_id = c.command_id
LEFT JOIN LATERAL (
    SELECT vt FROM pgmq.q_test__commands WHERE c.domain = 'test' AND msg_id = c.msg_id
    UNION ALL
    SELECT vt FROM pgmq.q_loadtest__commands WHERE c.domain = 'loadtest' AND msg_id = c.msg_id
) q ON TRUE
WHERE c.domain = ANY (%(domains)s) AND c.command_id = %(command_id)s
ORDER BY c.domain DESC
LIMIT 1;

-- name: events
-- One command's story: its newest 1,000 events, which is all of it unless operators retried it again and again.
SELECT event_type, ts, details_json AS details
FROM commandbus.audit
WHERE command_id = %(command_id)s AND domain = %(domain)s
ORDER BY audit_id DESC
LIMIT 1000;

-- name: replies
-- Replies have no index on their command, so only the newest are looked through.
SELECT msg_id, enqueued_at, message
FROM (
    (SELECT msg_id, enqueued_at, message FROM pgmq.q_test__replies
     WHERE %(domain)s = 'test' ORDER BY msg_id DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT msg_id, enqueued_at, message FROM pgmq.q_loadtest__replies
     WHERE %(domain)s = 'loadtest' ORDER BY msg_id DESC LIMIT %(limit)s)
) r
WHERE r.message ->> 'command_id' = %(command_id)s::TEXT
ORDER BY msg_id
LIMIT 20;
