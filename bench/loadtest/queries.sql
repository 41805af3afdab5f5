-- What a load test asks, by name (statements.py loads them): first the site's database, which keeps the record of each run,
-- then its own. While it runs, nothing it asks grows with the history: events are read once, in the order of their ids, up
-- to a mark below which none can come any more.

-- ------------------------------------------------------------------------------------------------ the site's database

-- name: settings
SELECT to_jsonb(c) FROM public.e2e_config c WHERE c.id = 1;

-- name: running
-- The run that holds the lock, as far as its row says.
SELECT run_id, host, pid, extract(epoch FROM clock_timestamp() - started_at)::float8 AS age_s
FROM public.load_run WHERE state = 'running' ORDER BY run_id DESC LIMIT 1;

-- name: mark_lost
-- Called by the run that holds the lock: no other run can be alive.
UPDATE public.load_run
SET state = 'lost', ended_at = beat_at, verdict = 'Its process died; this was noticed by a later run.'
WHERE state = 'running';

-- name: forget_old
DELETE FROM public.load_run
WHERE run_id <= (SELECT run_id FROM public.load_run ORDER BY run_id DESC OFFSET %(kept)s LIMIT 1);

-- name: create_run
INSERT INTO public.load_run (host, pid, options, commands)
VALUES (%(host)s, %(pid)s, %(options)s::jsonb, %(commands)s) RETURNING run_id;

-- name: beat
UPDATE public.load_run SET beat_at = clock_timestamp() WHERE run_id = %(run_id)s;

-- name: enter_phase
UPDATE public.load_run
SET phase = %(phase)s, beat_at = clock_timestamp(),
    sending_at = CASE WHEN %(phase)s = 'sending' THEN clock_timestamp() ELSE sending_at END
WHERE run_id = %(run_id)s;

-- name: update_counts
UPDATE public.load_run
SET sent = %(sent)s, received = %(received)s, completed = %(completed)s, failed = %(failed)s, parked = %(parked)s
WHERE run_id = %(run_id)s;

-- name: add_sample
-- By way of the run, whose row may have been deleted.
INSERT INTO public.load_sample (run_id, number, at_s, sent, received, ended, waiting, in_progress, p50_ms, p95_ms, p99_ms)
SELECT run_id, %(number)s, %(at_s)s, %(sent)s, %(received)s, %(ended)s, %(waiting)s, %(in_progress)s, %(p50)s, %(p95)s,
       %(p99)s
FROM public.load_run WHERE run_id = %(run_id)s;

-- name: end_run
UPDATE public.load_run
SET state = %(state)s, ended_at = clock_timestamp(), beat_at = clock_timestamp(), as_expected = %(as_expected)s,
    verdict = %(verdict)s, summary = %(summary)s::jsonb
WHERE run_id = %(run_id)s;

-- ------------------------------------------------------------------------------------------------------- its own database

-- name: content
-- Whether load tests have marked this database as theirs, and whether it has tables, but for those of extensions and what
-- PGMQ brings before it has a queue.
SELECT to_regnamespace('commandbus_loadtest') IS NOT NULL AS marked,
       EXISTS (
           SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
             AND n.nspname !~ '^pg_(toast|temp)'
             AND CASE n.nspname WHEN 'pgmq' THEN c.relname ~ '^[qa]_'
                 ELSE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') END) AS has_tables;

-- name: mark
CREATE SCHEMA IF NOT EXISTS commandbus_loadtest;

-- name: explain_mark
COMMENT ON SCHEMA commandbus_loadtest IS 'Says that this database belongs to load tests: each one empties it at its start';

-- name: now
SELECT clock_timestamp();

-- name: ready_workers
-- Those of ours that have begun, by their process ids.
SELECT count(*) FROM public.e2e_worker
WHERE host = %(host)s AND pid = ANY (%(pids)s) AND stopped_at IS NULL AND beat_at > %(since)s;

-- name: horizon
-- The newest event id given out so far, and which transactions are over: those before ``oldest_running``.
SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('commandbus.audit', 'audit_id')), 0) AS newest,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_running,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_transaction,
       clock_timestamp() AS at;

-- name: count_events
SELECT count(*) FILTER (WHERE event_type = 'SENT') AS sent,
       count(*) FILTER (WHERE event_type = 'RECEIVED') AS received,
       count(*) FILTER (WHERE event_type = 'RECEIVED' AND details_json ->> 'attempt' = '1') AS begun,
       count(*) FILTER (WHERE event_type = 'COMPLETED') AS completed,
       count(*) FILTER (WHERE event_type = 'BUSINESS_RULE_FAILED') AS failed,
       count(*) FILTER (WHERE event_type = 'MOVED_TO_TSQ') AS parked
FROM commandbus.audit WHERE audit_id > %(after)s AND audit_id <= %(upto)s AND domain = %(domain)s;

-- name: latencies
-- Milliseconds to their end, of the commands that ended in this range of events, or of so many of them drawn by lot.
WITH ended AS MATERIALIZED (
    SELECT command_id, ts FROM commandbus.audit
    WHERE audit_id > %(after)s AND audit_id <= %(upto)s AND domain = %(domain)s
      AND event_type IN ('COMPLETED', 'BUSINESS_RULE_FAILED', 'MOVED_TO_TSQ')
    ORDER BY hashint8(audit_id) LIMIT %(most)s
)
SELECT array_agg((extract(
    epoch FROM e.ts - coalesce(to_timestamp((t.payload ->> 'intended_at')::float8), s.ts)) * 1000)::float8)
FROM ended e
CROSS JOIN LATERAL (SELECT ts FROM commandbus.audit WHERE command_id = e.command_id ORDER BY audit_id LIMIT 1) s
CROSS JOIN LATERAL (SELECT payload FROM public.test_command WHERE command_id = e.command_id LIMIT 1) t;

-- name: anything_queued
SELECT EXISTS (SELECT FROM pgmq.:"commands");

-- name: cost
-- What the server counts for all its clients: bytes of WAL written, transactions ended in this database.
SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal_bytes,
       (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()) AS transactions;

-- name: summary
-- Everything about a run that has ended, exactly, from the server's own times: one pass over its events.
WITH story AS MATERIALIZED (
    SELECT command_id,
           min(ts) FILTER (WHERE event_type = 'SENT') AS sent,
           min(ts) FILTER (WHERE event_type = 'RECEIVED') AS received,
           max(ts) FILTER (WHERE event_type IN ('COMPLETED', 'BUSINESS_RULE_FAILED', 'MOVED_TO_TSQ')) AS ended,
           count(*) FILTER (WHERE event_type IN ('LATE_COMPLETED', 'LATE_FAILED')) AS late
    FROM commandbus.audit WHERE audit_id > %(after)s AND domain = %(domain)s GROUP BY command_id
), command AS MATERIALIZED (
    SELECT c.status, t.behavior ->> 'type' AS behavior, coalesce(t.attempts, 0) AS attempts, s.*,
           coalesce(to_timestamp((t.payload ->> 'intended_at')::float8), s.sent) AS wanted,
           (t.payload ->> 'intended_at') IS NOT NULL AS scheduled,
           c.status NOT IN ('PENDING', 'IN_PROGRESS') AS final, q.msg_id IS NOT NULL AS queued
    FROM commandbus.command c
    LEFT JOIN pgmq.:"commands" q ON q.msg_id = c.msg_id
    LEFT JOIN public.test_command t ON t.command_id = c.command_id
    LEFT JOIN story s ON s.command_id = c.command_id
    WHERE c.domain = %(domain)s
), latency AS (
    SELECT 'pickup' AS name, extract(epoch FROM received - wanted) * 1000 AS ms FROM command WHERE received IS NOT NULL
    UNION ALL SELECT 'end_to_end', extract(epoch FROM ended - wanted) * 1000 FROM command WHERE final AND ended IS NOT NULL
    UNION ALL SELECT 'send_delay', extract(epoch FROM sent - wanted) * 1000 FROM command WHERE scheduled
), percentiles AS (
    SELECT name, count(*) AS n, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY ms) AS p, max(ms) AS most
    FROM latency GROUP BY name
)
SELECT
    (SELECT jsonb_object_agg(name, jsonb_build_object('n', n, 'p50', p[1], 'p95', p[2], 'p99', p[3], 'max', most))
     FROM percentiles) AS latency,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(behavior, status, queued, attempts, n)), '[]') FROM (
        SELECT behavior, status, queued, attempts, count(*) AS n FROM command GROUP BY 1, 2, 3, 4) o) AS outcomes,
    (SELECT jsonb_build_object(
        'ended', count(*) FILTER (WHERE final), 'late', coalesce(sum(late), 0),
        'processing_s', extract(epoch FROM max(ended) - min(received)),
        'middle_s', extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY ended)
                                     - percentile_disc(0.1) WITHIN GROUP (ORDER BY ended)))
     FROM command) AS times;
