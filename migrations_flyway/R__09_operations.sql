-- Operations (V007) are worked off here, a chunk a call, each in its caller's transaction: lock the row, act, write how far it
-- came. Another process that comes meanwhile takes another operation (SKIP LOCKED). One that dies leaves nothing half done.

CREATE OR REPLACE FUNCTION public.e2e_operation_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('e2e_operation', NEW.operation_id::TEXT);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION public.e2e_operation_notify() IS
    'Tells listening workers (channel e2e_operation, payload: its number) that there is an operation to be worked off';

CREATE OR REPLACE TRIGGER e2e_operation_notify AFTER INSERT ON public.e2e_operation
    FOR EACH ROW EXECUTE FUNCTION public.e2e_operation_notify();

CREATE OR REPLACE FUNCTION commandbus.work_operation(p_limit INTEGER DEFAULT 5000) RETURNS JSON
LANGUAGE plpgsql AS $$
DECLARE
    o public.e2e_operation;
    v_due TIMESTAMPTZ;
BEGIN
    SELECT * INTO o FROM public.e2e_operation
    WHERE state IN ('waiting', 'running') AND next_at <= clock_timestamp()
    ORDER BY next_at, operation_id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        BEGIN
            RETURN commandbus.work_chunk(o, p_limit);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR plpgsql_error OR program_limit_exceeded
                       OR syntax_error_or_access_rule_violation THEN
            -- What it asks for cannot be done, by no later try either. The chunk is undone, those before it stay.
            UPDATE public.e2e_operation
            SET state = 'failed', said = left(SQLERRM, 1000), ended_at = clock_timestamp(), beat_at = clock_timestamp()
            WHERE operation_id = o.operation_id;
            RETURN json_build_object('operation', o.operation_id, 'state', 'failed', 'done', o.done);
        END;
    END IF;
    SELECT min(next_at) INTO v_due FROM public.e2e_operation WHERE state IN ('waiting', 'running');
    RETURN json_build_object('operation', NULL, 'due_ms', CASE WHEN v_due IS NOT NULL THEN greatest(
        200, ceil(extract(epoch FROM v_due - clock_timestamp()) * 1000)) END);
END
$$;
COMMENT ON FUNCTION commandbus.work_operation(INTEGER) IS
    'Works off one chunk of an operation that is due, p_limit commands at most. Answers its number (operation), its state and '
    'how many are done; where none is due, operation null and the milliseconds until one is (due_ms; null: there is none)';

CREATE OR REPLACE FUNCTION commandbus.work_chunk(o public.e2e_operation, p_limit INTEGER) RETURNS JSON
LANGUAGE plpgsql AS $$
DECLARE
    -- Under a rate a chunk is what a quarter of a second may have, and the next one comes when this one's time is over. As
    -- much is made up for where a chunk came late.
    v_limit INTEGER := CASE WHEN o.rate IS NULL THEN p_limit ELSE least(p_limit, greatest(1, o.rate / 4)) END;
    v_more BOOLEAN;
    v_before BIGINT := o.done + o.skipped;
BEGIN
    o.started_at := coalesce(o.started_at, clock_timestamp());
    o.state := 'running';
    IF o.canary IS NOT NULL THEN
        o := commandbus.watch_canary(o);
        v_limit := CASE (o.progress ->> 'stage')::INTEGER WHEN 0 THEN 1 WHEN 1 THEN 10 ELSE least(v_limit, 1000) END;
    END IF;
    IF o.state = 'running' AND o.next_at <= clock_timestamp() THEN
        IF o.kind = 'send' THEN
            o := commandbus.send_chunk(o, v_limit);
        ELSE
            o := commandbus.operate_chunk(o, v_limit);
        END IF;
        IF o.state = 'running' THEN
            o.next_at := CASE WHEN o.rate IS NULL THEN clock_timestamp() ELSE
                greatest(o.next_at, clock_timestamp() - interval '250 ms')
                + make_interval(secs => (o.done + o.skipped - v_before)::DOUBLE PRECISION / o.rate) END;
        END IF;
    END IF;
    UPDATE public.e2e_operation
    SET state = o.state, done = o.done, skipped = o.skipped, progress = o.progress, said = o.said, started_at = o.started_at,
        next_at = o.next_at, beat_at = clock_timestamp(),
        ended_at = CASE WHEN o.state <> 'running' THEN clock_timestamp() END
    WHERE operation_id = o.operation_id;
    RETURN json_build_object('operation', o.operation_id, 'state', o.state, 'done', o.done);
END
$$;
COMMENT ON FUNCTION commandbus.work_chunk(public.e2e_operation, INTEGER) IS 'Part of work_operation, for an operation that is locked';

CREATE OR REPLACE FUNCTION commandbus.send_chunk(o public.e2e_operation, p_limit INTEGER) RETURNS public.e2e_operation
LANGUAGE plpgsql AS $$
DECLARE
    v_payload JSONB := coalesce(o.spec -> 'payload', '{}');
    -- A chunk is one JSON value with the payload of each command in it. It is kept to 8 MB, so that it is short.
    v_count INTEGER := least(p_limit, o.wanted - o.done, greatest(1, 8388608 / length(v_payload::TEXT)));
    v_seed BIGINT := coalesce((o.spec ->> 'seed')::BIGINT, 0);
    v_behaviors JSONB[] := ARRAY(SELECT p -> 'behavior' FROM jsonb_array_elements(o.spec -> 'parts') p);
    -- Where each part begins between 0 and 1: width_bucket answers the part of a number.
    v_from DOUBLE PRECISION[] := ARRAY(
        SELECT coalesce(sum((p ->> 'weight')::DOUBLE PRECISION) OVER (
                   ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
               / sum((p ->> 'weight')::DOUBLE PRECISION) OVER ()
        FROM jsonb_array_elements(o.spec -> 'parts') WITH ORDINALITY AS a (p, n) ORDER BY n);
    v_in_turn BOOLEAN := coalesce((o.spec ->> 'in_turn')::BOOLEAN, FALSE);
    -- Ids grow with time (UUID version 7), so that rows of one time lie together in every index: the millisecond, the place
    -- in the chunk, and 60 random bits.
    v_time TEXT := lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::BIGINT), 12, '0');
    v_commands JSONB;
BEGIN
    SELECT jsonb_agg(jsonb_build_array(
               (v_time || '7' || lpad(to_hex(i >> 2), 3, '0') || to_hex(8 + (i & 3)) || right(gen_random_uuid()::TEXT, 12)
                || substr(gen_random_uuid()::TEXT, 1, 3))::UUID,
               v_behaviors[CASE WHEN v_in_turn THEN 1 + (o.done + i) % cardinality(v_behaviors) ELSE width_bucket(
                   (hashint8extended(o.done + i, v_seed) & 9007199254740991)::DOUBLE PRECISION / 9007199254740992, v_from) END],
               v_payload) ORDER BY i)
    INTO v_commands FROM generate_series(0, v_count - 1) i;
    IF v_count > 0 THEN
        o.done := o.done + commandbus.send_commands(
            o.domain, 'TestCommand', v_commands,
            (o.spec ->> 'max_attempts')::INTEGER,
            CASE WHEN (o.spec ->> 'reply')::BOOLEAN THEN o.domain || '__replies' ELSE '' END, o.correlation_id);
    END IF;
    IF o.done >= o.wanted THEN
        o.state := 'done';
    END IF;
    RETURN o;
END
$$;
COMMENT ON FUNCTION commandbus.send_chunk(public.e2e_operation, INTEGER) IS
    'Part of work_operation: sends the next commands of a bulk send. Which behavior comes at which place follows from the seed';

CREATE OR REPLACE FUNCTION commandbus.operate_chunk(o public.e2e_operation, p_limit INTEGER) RETURNS public.e2e_operation
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    f JSONB := o.spec -> 'filter';
    v_until TIMESTAMPTZ := f ->> 'until';
    v_since TIMESTAMPTZ := coalesce(f ->> 'since', '-infinity');
    v_code TEXT := f ->> 'code';
    v_error_type TEXT := f ->> 'error_type';
    v_behavior TEXT := f ->> 'behavior';
    v_pattern TEXT := f ->> 'pattern';
    v_chosen UUID[] := ARRAY(SELECT e::UUID FROM jsonb_array_elements_text(f -> 'ids') e);
    v_place INTEGER := coalesce((o.progress ->> 'place')::INTEGER, 0);
    v_at TIMESTAMPTZ := coalesce(o.progress ->> 'at', '-infinity');
    v_id UUID := coalesce(o.progress ->> 'id', '00000000-0000-0000-0000-000000000000');
    v_looked INTEGER;
    v_met INTEGER;
    v_ids UUID[];
    v_done UUID[];
BEGIN
    IF f ? 'ids' THEN
        v_ids := v_chosen[v_place + 1:v_place + p_limit];
        v_looked := cardinality(v_ids);
        o.progress := o.progress || jsonb_build_object('place', v_place + v_looked);
        v_met := v_looked;
        -- What was parked again since is another failure than the one that the operator looked at.
        v_ids := ARRAY(
            SELECT i.command_id FROM unnest(v_ids) WITH ORDINALITY AS i (command_id, n)
            CROSS JOIN LATERAL (SELECT parked_at FROM commandbus.parked
                                WHERE domain = o.domain AND command_id = i.command_id LIMIT 1) p
            WHERE p.parked_at <= v_until ORDER BY n);
    ELSE
        -- Oldest first, behind the last one looked at.
        SELECT count(*), coalesce(array_agg(command_id) FILTER (WHERE ok), '{}'),
               coalesce((array_agg(parked_at ORDER BY parked_at DESC, command_id DESC))[1], v_at),
               coalesce((array_agg(command_id ORDER BY parked_at DESC, command_id DESC))[1], v_id)
        INTO v_looked, v_ids, v_at, v_id
        FROM (
            SELECT parked_at, command_id, (v_pattern IS NULL OR (
                       SELECT last_error_msg ILIKE v_pattern FROM commandbus.command
                       WHERE domain = o.domain AND command_id = p.command_id LIMIT 1) IS TRUE) AS ok
            FROM commandbus.parked p
            WHERE domain = o.domain AND (parked_at, command_id) > (v_at, v_id)
              AND parked_at >= v_since AND parked_at <= v_until
              AND (v_code IS NULL OR error_code = v_code) AND (v_error_type IS NULL OR error_type = v_error_type)
              AND (v_behavior IS NULL OR behavior = v_behavior)
            ORDER BY parked_at, command_id LIMIT p_limit) q;
        o.progress := o.progress || jsonb_build_object('at', v_at, 'id', v_id);
        v_met := cardinality(v_ids);
    END IF;
    v_done := CASE o.kind
        WHEN 'retry' THEN commandbus.retry_commands(o.domain, v_ids, o.operator, o.reason, o.spec -> 'behavior',
                                                    o.spec -> 'payload', (o.spec ->> 'max_attempts')::INTEGER, o.operation_id)
        WHEN 'cancel' THEN commandbus.end_commands(o.domain, v_ids, 'CANCELED', o.operator, o.reason, p_operation => o.operation_id)
        ELSE commandbus.end_commands(o.domain, v_ids, 'COMPLETED', o.operator, o.reason, coalesce(o.spec -> 'result', 'null'),
                                     o.operation_id) END;
    o.done := o.done + cardinality(v_done);
    o.skipped := o.skipped + v_met - cardinality(v_done);
    IF o.canary IS NOT NULL THEN
        o.progress := o.progress || jsonb_build_object('watched', to_jsonb(v_done));
    END IF;
    IF v_looked < p_limit THEN
        o.state := 'done';
    END IF;
    RETURN o;
END
$$;
COMMENT ON FUNCTION commandbus.operate_chunk(public.e2e_operation, INTEGER) IS
    'Part of work_operation: retries, cancels or completes the next parked commands that its filter meets';

CREATE OR REPLACE FUNCTION commandbus.watch_canary(o public.e2e_operation) RETURNS public.e2e_operation
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_stage INTEGER := coalesce((o.progress ->> 'stage')::INTEGER, 0);
    v_watched UUID[] := ARRAY(SELECT e::UUID FROM jsonb_array_elements_text(o.progress -> 'watched') e);
    v_sent INTEGER := cardinality(v_watched);
    v_ended INTEGER;
    v_failed INTEGER;
BEGIN
    o.progress := o.progress || jsonb_build_object('stage', v_stage);
    IF v_sent = 0 THEN
        RETURN o;  -- the first chunk, or one that met none that could be sent
    END IF;
    SELECT v_sent - count(*) FILTER (WHERE c.status IN ('PENDING', 'IN_PROGRESS')),
           count(*) FILTER (WHERE c.status IN ('IN_TROUBLESHOOTING_QUEUE', 'FAILED'))
    INTO v_ended, v_failed
    FROM unnest(v_watched) i (command_id)
    CROSS JOIN LATERAL (SELECT status FROM commandbus.command WHERE domain = o.domain AND command_id = i.command_id LIMIT 1) c;
    IF v_failed * 100 > o.canary * (CASE WHEN v_stage < 2 THEN v_sent ELSE greatest(v_ended, 10) END) THEN
        o.state := 'stopped';
        o.said := format('%s of the %s sent last failed again: more than %s %%.', v_failed, v_sent, o.canary);
    ELSIF v_ended < v_sent AND (v_stage < 2 OR v_ended < 10) THEN
        o.next_at := clock_timestamp() + interval '300 ms';
    ELSE
        o.progress := o.progress || jsonb_build_object('stage', least(v_stage + 1, 2));
    END IF;
    RETURN o;
END
$$;
COMMENT ON FUNCTION commandbus.watch_canary(public.e2e_operation) IS
    'Part of work_operation: what became of the commands that the last chunk sent again. Waits for the ends of the first one '
    'and of the next ten, later for ten of each chunk; stops the operation where too many failed';
