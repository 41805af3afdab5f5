-- The sampler: commandbus.take_sample(), once a second, by one process of many (docs/decisions/010-sampler.md).
--
-- Which events may be counted? The number of an event is drawn before its transaction ends, so "above the last one counted"
-- loses what commits late. Whoever writes an event holds the table's lock in mode RowExclusiveLock before the number is drawn,
-- and until after its transaction can be seen. So: read how far the sequence is, then who holds that lock; events up to there
-- may be counted once all of those transactions have ended. A transaction that stays open holds its events back, and those
-- that came after it; none is lost, since counts and how far they came are written in one transaction.
-- (A horizon by transaction ids would wait for every writer of the whole server, and miss one that has drawn a number and has
-- no transaction id yet.)

CREATE OR REPLACE FUNCTION commandbus.duration_bucket(p_ms DOUBLE PRECISION) RETURNS INTEGER
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    -- log(2, …) is for NUMERIC alone, and takes long.
    SELECT CASE WHEN p_ms < 1 THEN 0 ELSE least(113, floor(ln(p_ms) / ln(2::DOUBLE PRECISION) * 4)::INTEGER + 1) END
$$;
COMMENT ON FUNCTION commandbus.duration_bucket(DOUBLE PRECISION) IS
    'The bucket, of a quarter octave, that counts a duration in milliseconds: commands/rules/histogram.py has the same';

CREATE OR REPLACE FUNCTION commandbus.add_counts(p_one INTEGER[], p_other INTEGER[]) RETURNS INTEGER[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), '{}')
    FROM unnest(p_one, p_other) WITH ORDINALITY AS u (a, b, place)
$$;
COMMENT ON FUNCTION commandbus.add_counts(INTEGER[], INTEGER[]) IS 'The sum of two histograms, bucket by bucket';

CREATE OR REPLACE FUNCTION commandbus.add_totals(p_one BIGINT[], p_other BIGINT[]) RETURNS BIGINT[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place), '{}')
    FROM unnest(p_one, p_other) WITH ORDINALITY AS u (a, b, place)
$$;
COMMENT ON FUNCTION commandbus.add_totals(BIGINT[], BIGINT[]) IS 'The same for sums that never go back';

CREATE OR REPLACE FUNCTION commandbus.count_events(p_after BIGINT, p_upto BIGINT, OUT counts JSONB, OUT picked BIGINT[])
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off SET max_parallel_workers_per_gather = 0
AS $$
BEGIN
    -- One scan, and the cheap condition first: there are 15,000 events a second.
    WITH counted AS MATERIALIZED (
        SELECT domain, event_type, count(*) AS n,
            array_agg(audit_id) FILTER (WHERE uuid_hash(command_id) & 63 = 0 AND event_type IN (
                'RECEIVED', 'COMPLETED', 'FAILED', 'MOVED_TO_TSQ', 'BUSINESS_RULE_FAILED')) AS ids
        FROM commandbus.audit
        WHERE audit_id > p_after AND audit_id <= p_upto
        GROUP BY domain, event_type
    )
    SELECT coalesce(jsonb_object_agg(d.domain, d.counts), '{}'), (SELECT coalesce(array_agg(id), '{}') FROM counted, unnest(ids) AS id)
    INTO counts, picked
    FROM (SELECT domain, jsonb_object_agg(event_type, n) AS counts FROM counted GROUP BY domain) d;
END
$$;
COMMENT ON FUNCTION commandbus.count_events(BIGINT, BIGINT) IS
    'How many events of each type each domain has between two audit ids, the first one left out (domain -> type -> number), and the '
    'begins and ends of attempts among them of every 64th command, by a hash of its id';

CREATE OR REPLACE FUNCTION commandbus.event_times(p_events BIGINT[]) RETURNS JSONB
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET max_parallel_workers_per_gather = 0
AS $$
BEGIN
    -- An attempt begins behind SENT only where it is the first. What came too late ends no attempt.
    RETURN (
        WITH times AS MATERIALIZED (
            SELECT e.domain, e.begins, count(*) AS n,
                commandbus.duration_bucket(extract(epoch FROM e.ts - b.ts)::DOUBLE PRECISION * 1000) AS bucket
            FROM (SELECT unnest(p_events) AS audit_id OFFSET 0) i
            CROSS JOIN LATERAL (
                SELECT domain, command_id, audit_id, event_type = 'RECEIVED' AS begins, ts
                FROM commandbus.audit WHERE audit_id = i.audit_id LIMIT 1
            ) e
            CROSS JOIN LATERAL (
                SELECT event_type, ts FROM commandbus.audit
                WHERE command_id = e.command_id AND audit_id < e.audit_id AND domain = e.domain
                    AND (e.begins OR event_type IN ('RECEIVED', 'FAILED'))
                ORDER BY audit_id DESC LIMIT 1
            ) b
            WHERE b.event_type = CASE WHEN e.begins THEN 'SENT' ELSE 'RECEIVED' END
            GROUP BY e.domain, e.begins, bucket
        )
        SELECT coalesce(jsonb_object_agg(domain, histograms), '{}') FROM (
            SELECT domain, jsonb_object_agg(CASE WHEN begins THEN 'waiting' ELSE 'running' END, histogram) AS histograms
            FROM (SELECT domain, begins, max(bucket) AS last FROM times GROUP BY domain, begins) h
            CROSS JOIN LATERAL (
                SELECT jsonb_agg(coalesce((SELECT n FROM times WHERE domain = h.domain AND begins = h.begins AND bucket = number), 0)
                                 ORDER BY number) AS histogram
                FROM generate_series(0, h.last) AS number
            ) counts
            GROUP BY domain
        ) d);
END
$$;
COMMENT ON FUNCTION commandbus.event_times(BIGINT[]) IS
    'Of these begins and ends of attempts: how long the commands waited for their first attempt (waiting), and how long the attempts '
    'took (running): domain -> waiting or running -> histogram';

CREATE OR REPLACE FUNCTION commandbus.look_at_queue(
    p_domain commandbus.domain, p_every_nth INTEGER,
    OUT visible INTEGER, OUT in_flight INTEGER, OUT delayed INTEGER, OUT oldest_s REAL, OUT tsq INTEGER
)
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    v_now TIMESTAMPTZ := clock_timestamp();
    v_queue TEXT := format('pgmq.%I', 'q_' || p_domain.command_queue);
    v_hidden INTEGER := 0;
    v_ids UUID[];   -- commands of hidden messages: of all of them, or of some
    v_running INTEGER;
BEGIN
    visible := 0;
    IF to_regclass(v_queue) IS NOT NULL THEN  -- the samples of the others do not depend on it
        EXECUTE format(
            'SELECT count(*) FILTER (WHERE vt <= $1), count(*) FILTER (WHERE vt > $1),
                    extract(epoch FROM $1 - min(vt) FILTER (WHERE vt <= $1)),
                    array_agg(commandbus.command_id_of(message)) FILTER (WHERE vt > $1 AND msg_id %% $2 = 0)
             FROM (SELECT msg_id, vt, message FROM %s LIMIT 2000000) q', v_queue)
        INTO visible, v_hidden, oldest_s, v_ids USING v_now, p_every_nth;
    END IF;
    -- The newest event of the two tells whether an attempt runs or waits for the next one.
    SELECT count(*) INTO v_running
    FROM (SELECT unnest(v_ids[:2000]) AS command_id OFFSET 0) i
    CROSS JOIN LATERAL (
        SELECT event_type FROM commandbus.audit
        WHERE command_id = i.command_id AND domain = p_domain.name AND event_type IN ('RECEIVED', 'FAILED')
        ORDER BY audit_id DESC LIMIT 1
    ) a
    WHERE a.event_type = 'RECEIVED';
    in_flight := coalesce(round(v_hidden::NUMERIC * v_running / least(cardinality(v_ids), 2000)), v_hidden);
    delayed := v_hidden - in_flight;
    tsq := (SELECT count(*) FROM (SELECT FROM commandbus.parked WHERE domain = p_domain.name LIMIT 2000000) p);
END
$$;
COMMENT ON FUNCTION commandbus.look_at_queue(commandbus.domain, INTEGER) IS
    'How a domain stands: its messages that a worker could take, that run and that wait for their time, for how long a worker could have '
    'taken the first of them, and how much is parked; counted to 2,000,000 each. Of p_every_nth hidden messages one tells which '
    'run; the others are taken to be like them';

CREATE OR REPLACE FUNCTION commandbus.roll_up(p_domain TEXT, p_width INTEGER, p_from INTEGER, p_at TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    v_until TIMESTAMPTZ := p_at + make_interval(secs => p_width);
    v_waiting INTEGER[] := '{}';
    v_running INTEGER[] := '{}';
    v_row RECORD;
BEGIN
    FOR v_row IN SELECT waiting, running FROM public.e2e_sample
                 WHERE domain = p_domain AND width_s = p_from AND at >= p_at AND at < v_until LOOP
        v_waiting := CASE v_row.waiting WHEN '{}' THEN v_waiting ELSE commandbus.add_counts(v_waiting, v_row.waiting) END;
        v_running := CASE v_row.running WHEN '{}' THEN v_running ELSE commandbus.add_counts(v_running, v_row.running) END;
    END LOOP;
    DELETE FROM public.e2e_sample WHERE domain = p_domain AND width_s = p_width AND at = p_at;
    INSERT INTO public.e2e_sample (
        domain, width_s, at, seconds, visible, in_flight, delayed, oldest_s, tsq, workers, sent, received, completed, retried, parked,
        failed, canceled, late, first_audit, last_audit, waiting, running)
    SELECT p_domain, p_width, p_at, sum(seconds), max(visible), max(in_flight), max(delayed), max(oldest_s), max(tsq), min(workers),
        sum(sent), sum(received), sum(completed), sum(retried), sum(parked), sum(failed), sum(canceled), sum(late),
        min(first_audit), max(last_audit), v_waiting, v_running
    FROM public.e2e_sample
    WHERE domain = p_domain AND width_s = p_from AND at >= p_at AND at < v_until
    HAVING count(*) > 0;
END
$$;
COMMENT ON FUNCTION commandbus.roll_up(TEXT, INTEGER, INTEGER, TIMESTAMPTZ) IS
    'Makes the column of p_width seconds that begins at p_at anew from those of p_from seconds: counts and histograms summed, the most '
    'of what waits, the fewest workers';

CREATE OR REPLACE FUNCTION commandbus.column_of(p_width INTEGER, p_at TIMESTAMPTZ) RETURNS TIMESTAMPTZ
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT to_timestamp(floor(extract(epoch FROM p_at) / p_width)::BIGINT * p_width)
$$;
COMMENT ON FUNCTION commandbus.column_of(INTEGER, TIMESTAMPTZ) IS 'When the column of so many seconds begins that a time falls into';

CREATE OR REPLACE FUNCTION commandbus.roll_up_over(p_domain TEXT, p_before TIMESTAMPTZ, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    v_width INTEGER;
    v_from INTEGER;
    v_step INTEGER;
BEGIN
    -- The 10 s that are over, then the minute that they are in, whether it is over or not, then the hour.
    FOR v_width, v_from IN VALUES (10, 1), (60, 10), (3600, 60) LOOP
        v_step := greatest(v_from, 10);
        EXIT WHEN p_before IS NULL OR commandbus.column_of(v_step, p_before) = commandbus.column_of(v_step, p_now);
        PERFORM commandbus.roll_up(p_domain, v_width, v_from, commandbus.column_of(v_width, p_before));
    END LOOP;
END
$$;
COMMENT ON FUNCTION commandbus.roll_up_over(TEXT, TIMESTAMPTZ, TIMESTAMPTZ) IS
    'Part of take_sample: rolls up what is over since the sample at p_before. An open minute is as new as its last 10 s, an open hour '
    'as its last minute';

CREATE OR REPLACE FUNCTION commandbus.sample_domain(
    p_domain commandbus.domain, p_now TIMESTAMPTZ, p_seconds REAL, p_after BIGINT, p_upto BIGINT,
    p_counts JSONB, p_times JSONB, p_silence INTERVAL
) RETURNS VOID
LANGUAGE plpgsql
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    v_look public.e2e_sampler_look;
    v_new public.e2e_sample;  -- begins as the row before it
    v_began TIMESTAMPTZ := clock_timestamp();
BEGIN
    SELECT * INTO v_new FROM public.e2e_sample WHERE domain = p_domain.name AND width_s = 1 ORDER BY at DESC LIMIT 1;
    SELECT * INTO v_look FROM public.e2e_sampler_look WHERE domain = p_domain.name;
    IF v_new.at >= p_now - INTERVAL '10 s' AND v_look.next_at > p_now AND v_look.next_at < p_now + INTERVAL '1 hour' THEN
        -- Carried forward: what came into the queue, and what left it.
        v_new.visible := greatest(0, v_new.visible + coalesce((p_counts ->> 'SENT')::INTEGER, 0)
            + coalesce((p_counts ->> 'OPERATOR_RETRY')::INTEGER, 0) - coalesce((p_counts ->> 'COMPLETED')::INTEGER, 0)
            - coalesce((p_counts ->> 'MOVED_TO_TSQ')::INTEGER, 0) - coalesce((p_counts ->> 'BUSINESS_RULE_FAILED')::INTEGER, 0)
            - coalesce((p_counts ->> 'MESSAGE_REJECTED')::INTEGER, 0));
        v_new.tsq := greatest(0, v_new.tsq + coalesce((p_counts ->> 'MOVED_TO_TSQ')::INTEGER, 0)
            - coalesce((p_counts ->> 'OPERATOR_RETRY')::INTEGER, 0) - coalesce((p_counts ->> 'OPERATOR_CANCEL')::INTEGER, 0)
            - coalesce((p_counts ->> 'OPERATOR_COMPLETE')::INTEGER, 0));
        v_new.oldest_s := CASE WHEN v_new.visible > 0 THEN v_new.oldest_s END;
    ELSE
        SELECT q.visible, q.in_flight, q.delayed, q.oldest_s, q.tsq
        INTO v_new.visible, v_new.in_flight, v_new.delayed, v_new.oldest_s, v_new.tsq
        FROM commandbus.look_at_queue(p_domain, coalesce(v_look.every_nth, 1)) q;
        -- Looks may take a three-hundredth of the time, whatever the queue holds.
        INSERT INTO public.e2e_sampler_look AS l (domain, next_at, every_nth)
        VALUES (p_domain.name, p_now + (clock_timestamp() - v_began) * 300 - INTERVAL '0.5 s',
                1 + (v_new.in_flight + v_new.delayed) / 1000)
        ON CONFLICT (domain) DO UPDATE SET next_at = excluded.next_at, every_nth = excluded.every_nth;
    END IF;
    v_new.workers := (SELECT count(*) FROM public.e2e_worker
                      WHERE queue_name = p_domain.command_queue AND stopped_at IS NULL AND beat_at >= p_now - p_silence);
    WITH new AS MATERIALIZED (
        SELECT p_domain.name AS domain, 1 AS width_s, date_trunc('second', p_now) AS at, p_seconds AS seconds,
            v_new.visible, v_new.in_flight, v_new.delayed, v_new.oldest_s, v_new.tsq, v_new.workers,
            coalesce(c."SENT", 0) AS sent, coalesce(c."RECEIVED", 0) AS received,
            coalesce(c."COMPLETED", 0) + coalesce(c."OPERATOR_COMPLETE", 0) AS completed, coalesce(c."FAILED", 0) AS retried,
            coalesce(c."MOVED_TO_TSQ", 0) AS parked,
            coalesce(c."BUSINESS_RULE_FAILED", 0) AS failed, coalesce(c."OPERATOR_CANCEL", 0) AS canceled,
            coalesce(c."LATE_COMPLETED", 0) + coalesce(c."LATE_FAILED", 0) AS late,
            coalesce(t.waiting, '{}') AS waiting, coalesce(t.running, '{}') AS running, p_after AS first_audit, p_upto AS last_audit
        FROM jsonb_to_record(p_counts) AS c (
                 "SENT" INTEGER, "RECEIVED" INTEGER, "COMPLETED" INTEGER, "OPERATOR_COMPLETE" INTEGER, "FAILED" INTEGER,
                 "MOVED_TO_TSQ" INTEGER, "BUSINESS_RULE_FAILED" INTEGER, "OPERATOR_CANCEL" INTEGER, "LATE_COMPLETED" INTEGER,
                 "LATE_FAILED" INTEGER),
             jsonb_to_record(p_times) AS t (waiting INTEGER[], running INTEGER[])
    ), sampled AS (
        INSERT INTO public.e2e_sample AS s (
            domain, width_s, at, seconds, visible, in_flight, delayed, oldest_s, tsq, workers, sent, received, completed, retried, parked,
            failed, canceled, late, waiting, running, first_audit, last_audit)
        SELECT * FROM new
        -- The second sample of a second, as after a takeover.
        ON CONFLICT (domain, width_s, at) DO UPDATE SET
            seconds = s.seconds + excluded.seconds, visible = excluded.visible, in_flight = excluded.in_flight,
            delayed = excluded.delayed, oldest_s = excluded.oldest_s, tsq = excluded.tsq, workers = excluded.workers,
            sent = s.sent + excluded.sent, received = s.received + excluded.received, completed = s.completed + excluded.completed,
            retried = s.retried + excluded.retried, parked = s.parked + excluded.parked, failed = s.failed + excluded.failed,
            canceled = s.canceled + excluded.canceled, late = s.late + excluded.late,
            waiting = commandbus.add_counts(s.waiting, excluded.waiting), running = commandbus.add_counts(s.running, excluded.running),
            last_audit = excluded.last_audit
    )
    INSERT INTO public.e2e_sample_total AS s (
        domain, sent, received, completed, retried, parked, failed, canceled, late, waiting, running)
    SELECT domain, sent, received, completed, retried, parked, failed, canceled, late, waiting, running FROM new
    ON CONFLICT (domain) DO UPDATE SET
        sent = s.sent + excluded.sent, received = s.received + excluded.received, completed = s.completed + excluded.completed,
        retried = s.retried + excluded.retried, parked = s.parked + excluded.parked, failed = s.failed + excluded.failed,
        canceled = s.canceled + excluded.canceled, late = s.late + excluded.late,
        waiting = commandbus.add_totals(s.waiting, excluded.waiting), running = commandbus.add_totals(s.running, excluded.running);
END
$$;
COMMENT ON FUNCTION commandbus.sample_domain(commandbus.domain, TIMESTAMPTZ, REAL, BIGINT, BIGINT, JSONB, JSONB, INTERVAL) IS
    'Part of take_sample: the row of one domain and one second, from what was counted';

CREATE OR REPLACE FUNCTION commandbus.sample_database(p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE sql
AS $$
    INSERT INTO public.e2e_database_sample AS s (width_s, at, size_bytes, dead_rows, wal_bytes)
    SELECT w.width_s, commandbus.column_of(w.width_s, p_now), d.size_bytes, d.dead_rows, d.wal_bytes
    FROM (VALUES (10), (60), (3600)) AS w (width_s)
    CROSS JOIN (
        SELECT pg_database_size(current_database()) AS size_bytes, pg_current_wal_lsn() - '0/0'::PG_LSN AS wal_bytes,
            (SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables
             WHERE schemaname IN ('commandbus', 'pgmq') OR (schemaname = 'public' AND relname = 'test_command')) AS dead_rows
        OFFSET 0
    ) d
    ON CONFLICT (width_s, at) DO UPDATE SET
        size_bytes = greatest(s.size_bytes, excluded.size_bytes), dead_rows = greatest(s.dead_rows, excluded.dead_rows),
        wal_bytes = excluded.wal_bytes;
$$;
COMMENT ON FUNCTION commandbus.sample_database(TIMESTAMPTZ) IS
    'Part of take_sample, every 10 s: how large the database is, its dead rows, and how much the server has written';

CREATE OR REPLACE FUNCTION commandbus.forget_samples(p_now TIMESTAMPTZ, p_most INTEGER DEFAULT 100) RETURNS VOID
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    v_ages CONSTANT JSONB := '{"1": "1 hour", "10": "24 hours", "60": "7 days", "3600": "90 days"}';
BEGIN
    DELETE FROM public.e2e_sample WHERE ctid = ANY (ARRAY(
        SELECT o.place FROM public.e2e_sampler_look d
        CROSS JOIN jsonb_each_text(v_ages) AS w (width_s, age)
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM public.e2e_sample
            WHERE domain = d.domain AND width_s = w.width_s::INTEGER AND at < p_now - w.age::INTERVAL
            ORDER BY at LIMIT p_most
        ) o));
    DELETE FROM public.e2e_database_sample WHERE ctid = ANY (ARRAY(
        SELECT o.place FROM jsonb_each_text(v_ages) AS w (width_s, age)
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM public.e2e_database_sample
            WHERE width_s = w.width_s::INTEGER AND at < p_now - w.age::INTERVAL
            ORDER BY at LIMIT p_most
        ) o));
END
$$;
COMMENT ON FUNCTION commandbus.forget_samples(TIMESTAMPTZ, INTEGER) IS
    'Part of take_sample, every 10 s: removes the oldest columns, p_most of each domain and width, that are older than 1 h (of 1 s), '
    '24 h (10 s), 7 d (1 min) or 90 d (1 h)';

CREATE OR REPLACE FUNCTION commandbus.event_writers() RETURNS TEXT[]
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(array_agg(virtualtransaction), '{}') FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'commandbus.audit'::REGCLASS AND mode = 'RowExclusiveLock' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid IS DISTINCT FROM pg_backend_pid()  -- what it wrote itself is committed with its counts
$$;
COMMENT ON FUNCTION commandbus.event_writers() IS
    'The transactions that may have written events which are not seen yet: they hold the lock of a writer of commandbus.audit';

CREATE OR REPLACE FUNCTION commandbus.next_horizon(INOUT p_row public.e2e_sampler, IN p_now TIMESTAMPTZ, OUT is_free BOOLEAN)
LANGUAGE plpgsql AS $$
DECLARE
    v_reached BIGINT;
    v_writers TEXT[];
BEGIN
    -- In this order, and both before the snapshot by which events are counted.
    v_reached := coalesce(pg_sequence_last_value(pg_get_serial_sequence('commandbus.audit', 'audit_id')::REGCLASS), 0);
    v_writers := commandbus.event_writers();
    IF v_reached < p_row.counted THEN  -- the table was emptied, and its numbers begin again
        p_row.counted := 0;
        p_row.horizon := NULL;
    END IF;
    IF p_row.horizon IS NULL OR v_writers = '{}' THEN
        p_row.horizon := v_reached;
        p_row.horizon_at := p_now;
        p_row.writers := v_writers;
    END IF;
    -- One that was prepared for a commit in two phases (-1/…) went by another name before.
    is_free := NOT (p_row.writers && v_writers) AND array_to_string(v_writers, ' ') !~ '(^| )-1/';
END
$$;
COMMENT ON FUNCTION commandbus.next_horizon(public.e2e_sampler, TIMESTAMPTZ) IS
    'Part of take_sample: up to which event is to be counted next, in the sampler''s row, and whether all events up to there are seen';

CREATE OR REPLACE FUNCTION commandbus.may_sample(p_sampler TEXT) RETURNS BOOLEAN
LANGUAGE sql VOLATILE AS $$
    SELECT sampler IN ('', p_sampler) OR sampled_at IS NULL
           OR sampled_at NOT BETWEEN clock_timestamp() - INTERVAL '2.5 s' AND clock_timestamp() + INTERVAL '2.5 s'
    FROM public.e2e_sampler
$$;
COMMENT ON FUNCTION commandbus.may_sample(TEXT) IS
    'Whether it is the turn of the sampler of this name: it sampled last, or no other did within 2.5 s. Costs nothing';

CREATE OR REPLACE FUNCTION commandbus.take_sample(p_sampler TEXT, p_silence INTERVAL, p_most BIGINT DEFAULT 200000) RETURNS JSONB
LANGUAGE plpgsql
SET lock_timeout = '2s'
AS $$
DECLARE
    v_row public.e2e_sampler;
    v_now TIMESTAMPTZ := clock_timestamp();
    v_next RECORD;
    v_before TIMESTAMPTZ;        -- when it sampled before
    v_free BOOLEAN;
    v_after BIGINT;
    v_upto BIGINT;
    v_upto_at TIMESTAMPTZ;
    v_seconds REAL;
    v_counts JSONB := '{}';
    v_times JSONB := '{}';
    v_picked BIGINT[];
    v_domain commandbus.domain;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'take_sample needs a snapshot for each statement: READ COMMITTED' USING ERRCODE = '25000';
    END IF;
    SELECT * INTO v_row FROM public.e2e_sampler FOR UPDATE SKIP LOCKED;
    IF v_row.sampler IS NULL OR NOT commandbus.may_sample(p_sampler) THEN
        RETURN jsonb_build_object('sampled', FALSE, 'sampler', v_row.sampler);
    END IF;
    v_before := v_row.sampled_at;
    SELECT * INTO v_next FROM commandbus.next_horizon(v_row, v_now);
    v_row := v_next.p_row;
    v_free := v_next.is_free;

    -- A bounded number of events; what is left then is counted by the next calls, which come soon.
    v_after := v_row.counted;
    v_upto := CASE WHEN v_free THEN least(v_row.horizon, v_after + p_most) ELSE v_after END;
    v_upto_at := CASE WHEN NOT v_free THEN v_row.counted_at
        WHEN v_upto = v_row.horizon THEN v_row.horizon_at
        ELSE v_row.counted_at + (v_row.horizon_at - v_row.counted_at) * ((v_upto - v_after)::NUMERIC / (v_row.horizon - v_after))::REAL END;
    v_seconds := greatest(0.001, coalesce(extract(epoch FROM v_upto_at - v_row.counted_at), 1));
    IF v_upto > v_after THEN
        SELECT counts, picked INTO v_counts, v_picked FROM commandbus.count_events(v_after, v_upto);
        v_times := commandbus.event_times(v_picked);
    END IF;
    FOR v_domain IN SELECT * FROM commandbus.domain ORDER BY name LOOP
        PERFORM commandbus.sample_domain(v_domain, v_now, v_seconds, v_after, v_upto,
                                         coalesce(v_counts -> v_domain.name, '{}'), coalesce(v_times -> v_domain.name, '{}'), p_silence);
        PERFORM commandbus.roll_up_over(v_domain.name, v_before, v_now);
    END LOOP;
    IF v_before IS NULL OR commandbus.column_of(10, v_before) <> commandbus.column_of(10, v_now) THEN
        PERFORM commandbus.sample_database(v_now);
        PERFORM commandbus.forget_samples(v_now);
    END IF;
    UPDATE public.e2e_sampler SET
        counted = v_upto, counted_at = v_upto_at,
        horizon = CASE WHEN v_upto < v_row.horizon THEN v_row.horizon END, horizon_at = v_row.horizon_at,
        writers = v_row.writers, sampled_at = v_now, sampler = p_sampler;
    RETURN jsonb_build_object(
        'sampled', TRUE, 'counted', v_upto - v_after, 'behind', v_free AND v_upto < v_row.horizon,
        'held_s', CASE WHEN NOT v_free THEN extract(epoch FROM v_now - v_row.horizon_at) ELSE 0 END,
        'due_ms', CASE WHEN v_free AND v_upto < v_row.horizon THEN 250
                       ELSE 1000 - (extract(milliseconds FROM clock_timestamp())::BIGINT + 500) % 1000 END);
END
$$;
COMMENT ON FUNCTION commandbus.take_sample(TEXT, INTERVAL, BIGINT) IS
    'Takes a sample of all domains, for the sampler of this name if it is its turn (else sampled: false, and whose it is).'
    ' Workers that were silent for p_silence are none. Counts p_most events at most; behind: there are more. held_s: '
    'for how long the counts wait for a transaction. due_ms: when the next one is due, in the middle of a second';

CREATE OR REPLACE FUNCTION commandbus.stop_sampling(p_sampler TEXT) RETURNS VOID
LANGUAGE sql AS $$
    UPDATE public.e2e_sampler SET sampler = '' WHERE sampler = p_sampler
$$;
COMMENT ON FUNCTION commandbus.stop_sampling(TEXT) IS 'Lets another sampler begin at once';
