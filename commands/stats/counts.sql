-- Counts of the pages, by name (counts.py runs them). No count grows with the tables: each is counted to a limit, or
-- estimated. Looking up one row per message is written as LATERAL … LIMIT 1, because the planner would hash the whole
-- table for 10,000 messages.

-- name: status_counts
-- Every count in one statement, so that they agree. Final and rare ones come from small tables and a partial index.
-- Commands of all domains share a table; how many of them belong to this one is counted to the limit, and estimated
-- beyond it. The planner's statistics say how many rows there are (rows per page at the last ANALYZE, times the pages
-- now) and which share of them this domain has. A burst makes them wrong for a minute: so the estimate is never more than
-- the messages that were ever sent to the queue. Null before the first ANALYZE or VACUUM.
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
                pg_get_serial_sequence('pgmq.:"commands"', 'msg_id')::regclass), 0))
        FROM pg_class WHERE oid = 'commandbus.command'::regclass AND reltuples >= 0 AND relpages > 0
    ) AS estimate,
    (SELECT (reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::INTEGER)::BIGINT
        FROM pg_class WHERE oid = 'pgmq.:"commands"'::regclass AND reltuples >= 0 AND relpages > 0
    ) AS queue_estimate
FROM (
    SELECT
        count(*) AS looked_at,
        count(*) FILTER (WHERE c.status = 'PENDING') AS pending,
        count(*) FILTER (WHERE c.status = 'IN_PROGRESS') AS in_progress
    FROM (
        SELECT commandbus.command_id_of(message) AS command_id
        FROM pgmq.:"commands" ORDER BY msg_id LIMIT %(limit)s
    ) q
    LEFT JOIN LATERAL (
        SELECT status FROM commandbus.command WHERE domain = %(domain)s AND command_id = q.command_id LIMIT 1
    ) c ON TRUE
) queue;
