-- Engine native: receive and finish with as few index lookups as there are rows, and one plan for all calls.
--
-- Each begins with one statement that locks everything it will change and reads everything it needs; what is left are
-- writes by the places (ctid) of locked rows. Rows that another transaction holds are left for later (SKIP LOCKED), so
-- one held row delays one command, and no two calls can wait for each other in a circle. Only a queue row is waited for,
-- by finish and for a moment: a receive may hold it by mistake (wait_for_messages).
-- Each domain has functions of its own, receive_<domain> and finish_<domain>: those of domain test stand here (R__11 says
-- why and makes the others).
-- Planner settings belong to these functions alone: by default the planner hashes whole tables for a small batch. On
-- tables that were never analysed it takes a domain for a handful of rows and would walk all of its commands, so joins
-- lead from the batch: LATERAL … LIMIT 1, or a ctid.

CREATE OR REPLACE FUNCTION commandbus.receive_commands(
    p_domain TEXT, p_limit INTEGER, p_lease_s INTEGER, p_after BIGINT DEFAULT 0, p_until BIGINT DEFAULT 9223372036854775807,
    p_worker UUID DEFAULT NULL, p_alone BOOLEAN DEFAULT FALSE, p_not BIGINT[] DEFAULT '{}'
) RETURNS JSON
LANGUAGE plpgsql AS $$
DECLARE
    v_answer JSON;
BEGIN
    EXECUTE format('SELECT commandbus.%I($1, $2, $3, $4, $5, $6, $7)', 'receive_' || p_domain)
    INTO v_answer USING p_limit, p_lease_s, p_after, p_until, p_worker, p_alone, p_not;
    RETURN v_answer;
END
$$;
COMMENT ON FUNCTION commandbus.receive_commands(TEXT, INTEGER, INTEGER, BIGINT, BIGINT, UUID, BOOLEAN, BIGINT[]) IS
    'Takes up to p_limit visible messages of a domain for p_lease_s seconds and begins their attempts, for the worker '
    'p_worker; looks only at messages beyond p_after, not beyond p_until, and not at those in p_not. Answers commands '
    '(arrays: msg_id, command_id, command_type, data, correlation_id, reply_to, created_at, attempt, max_attempts, attempts '
    'over its life, behavior), how many were parked, rejected or busy (at least), the messages whose last attempt has to '
    'run alone (lone: they are left, unless p_alone), whether no visible message was left there (dry), then the '
    'milliseconds until the next one becomes visible (due_ms, only where p_after is 0), the last message looked at (last), '
    'and how long looking took (look_us)';

CREATE OR REPLACE FUNCTION commandbus.finish_commands(p_domain TEXT, p_outcomes JSONB) RETURNS JSON
LANGUAGE plpgsql AS $$
DECLARE
    v_answer JSON;
BEGIN
    EXECUTE format('SELECT commandbus.%I($1)', 'finish_' || p_domain) INTO v_answer USING p_outcomes;
    RETURN v_answer;
END
$$;
COMMENT ON FUNCTION commandbus.finish_commands(TEXT, JSONB) IS
    'Writes how attempts ended, at most one per command. p_outcomes: array of commandbus.outcome as objects. Answers '
    'accepted (command -> its status now), late (nothing changed, one LATE_* event), busy (another '
    'transaction holds a row of it: send it again) and before (again: command -> the event that its earlier call wrote)';

-- ---------------------------------------------------------------------------------------------------------- receive

CREATE OR REPLACE FUNCTION commandbus.receive_test(
    p_limit INTEGER, p_lease_s INTEGER, p_after BIGINT, p_until BIGINT, p_worker UUID, p_alone BOOLEAN, p_not BIGINT[]
) RETURNS JSON
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_after BIGINT := p_after;
    v_last BIGINT;               -- the last message of this round
    v_wanted INTEGER := p_limit;
    v_limit INTEGER;             -- how many of them this round looks at
    -- Only messages that are stored apart from their rows can be too large for one answer.
    v_large BOOLEAN := pg_relation_size(
        (SELECT reltoastrelid FROM pg_class WHERE oid = 'pgmq.q_test__commands'::regclass)) > 0;
    v_found INTEGER;             -- one round's candidates, queue rows locked …
    v_msg_ids BIGINT[];          -- … their messages and the commands that they name (null: none) …
    v_ids UUID[];
    v_locked UUID[];             -- … and those of these commands whose rows we hold
    v_begun BIGINT[];            -- messages of the attempts that begin …
    v_begun_ids UUID[];          -- … their commands, counters and rows
    v_attempts INTEGER[];
    v_most INTEGER[];
    v_queue_rows TID[];
    v_command_rows TID[];
    v_test_rows TID[];
    v_batches UUID[];
    v_more JSON[];               -- never made JSONB, nor parsed: that takes more of the stack than storing a message did
    v_commands JSON[];
    v_other JSON;                -- what became of candidates that may not begin
    v_lone BIGINT[];             -- those of this round that have to run alone, and of all rounds
    v_all_lone BIGINT[] := '{}';
    v_told JSONB := CASE WHEN p_worker IS NULL THEN '{}' ELSE jsonb_build_object('worker', p_worker) END
        || CASE WHEN p_alone THEN '{"alone": true}' ELSE '{}'::JSONB END;  -- in RECEIVED, beside the attempt
    v_round_busy INTEGER;
    v_parked INTEGER := 0;
    v_rejected INTEGER := 0;
    v_busy INTEGER := 0;
    v_dry BOOLEAN := FALSE;
    v_began TIMESTAMPTZ;
    v_look INTERVAL := '0';
    v_due TIMESTAMPTZ;
BEGIN
    -- Each round looks at as many messages as are still wanted.
    FOR v_round IN 1..20 LOOP
        v_began := clock_timestamp();
        v_limit := CASE WHEN v_large THEN commandbus.at_once('test', v_after, p_until, v_wanted) ELSE v_wanted END;
        SELECT count(*), max(msg_id), array_agg(msg_id), array_agg(command_id),
               array_agg(command_id) FILTER (WHERE command_row IS NOT NULL AND NOT held),
               array_agg(msg_id) FILTER (WHERE ok), array_agg(command_id) FILTER (WHERE ok),
               array_agg(attempts + 1) FILTER (WHERE ok), array_agg(max_attempts) FILTER (WHERE ok),
               array_agg(queue_row) FILTER (WHERE ok), array_agg(command_row) FILTER (WHERE ok),
               array_agg(test_row) FILTER (WHERE ok), array_agg(batch_id) FILTER (WHERE ok AND batch_id IS NOT NULL),
               array_agg(msg_id) FILTER (WHERE lost AND NOT p_alone AND NOT held),
               array_agg(json_build_array(msg_id, command_id, command_type, data, correlation_id, reply_queue, created_at,
                   attempts + 1, max_attempts, life + 1, behavior)) FILTER (WHERE ok)
        INTO v_found, v_last, v_msg_ids, v_ids, v_locked, v_begun, v_begun_ids, v_attempts, v_most, v_queue_rows,
             v_command_rows, v_test_rows, v_batches, v_lone, v_more
        FROM (
            SELECT q.msg_id, q.command_id, q.queue_row, q.data, c.command_row, c.command_type, c.correlation_id,
                   nullif(c.reply_queue, '') AS reply_queue, c.created_at, c.attempts, c.max_attempts, c.batch_id,
                   t.test_row, t.life, t.behavior, h.held, l.lost,
                   coalesce(c.msg_id = q.msg_id AND c.status IN ('PENDING', 'IN_PROGRESS') AND c.attempts < c.max_attempts
                            AND NOT h.held AND (NOT l.lost OR p_alone), FALSE) AS ok
            FROM (
                SELECT ctid AS queue_row, msg_id, commandbus.command_id_of(message) AS command_id,
                       coalesce(message -> 'data', '{}') AS data
                FROM pgmq.q_test__commands
                WHERE vt <= clock_timestamp() AND msg_id > v_after AND msg_id <= p_until AND msg_id <> ALL (p_not)
                ORDER BY msg_id LIMIT v_limit FOR UPDATE SKIP LOCKED
            ) q
            LEFT JOIN LATERAL (
                SELECT ctid AS command_row, msg_id, command_type, status, correlation_id, reply_queue, created_at, attempts,
                       max_attempts, batch_id
                FROM commandbus.command
                WHERE domain = 'test' AND command_id = q.command_id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) c ON TRUE
            LEFT JOIN LATERAL (
                SELECT ctid AS test_row, attempts AS life, behavior
                FROM public.test_command WHERE command_id = q.command_id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) t ON TRUE
            -- No row, or one that is held elsewhere? (Not by EXISTS, for which the planner may read the whole table.)
            CROSS JOIN LATERAL (
                SELECT t.test_row IS NULL
                       AND (SELECT TRUE FROM public.test_command WHERE command_id = q.command_id LIMIT 1) IS TRUE AS held
            ) h
            -- Its last attempt: was the one before lost with its worker? Then whatever ended that worker may be in it.
            CROSS JOIN LATERAL (
                SELECT CASE WHEN c.attempts > 0 AND c.attempts = c.max_attempts - 1 AND c.status = 'IN_PROGRESS'
                                 AND c.msg_id = q.msg_id
                            THEN commandbus.was_lost('test', q.command_id, q.msg_id, c.attempts) ELSE FALSE END AS lost
            ) l
        ) candidate;
        v_look := v_look + (clock_timestamp() - v_began);
        v_began := clock_timestamp();
        v_dry := v_found < v_limit;
        v_after := coalesce(v_last, v_after);

        IF v_begun IS NOT NULL THEN
            WITH counted AS (
                UPDATE commandbus.command
                SET attempts = attempts + 1, status = 'IN_PROGRESS', updated_at = clock_timestamp()
                WHERE ctid = ANY (v_command_rows)
            ), leased AS (
                -- vt alone is the lease; read_ct is kept true for readers of the queue.
                UPDATE pgmq.q_test__commands
                SET vt = clock_timestamp() + make_interval(secs => p_lease_s), read_ct = read_ct + 1
                WHERE ctid = ANY (v_queue_rows)
            ), tested AS (
                UPDATE public.test_command SET attempts = attempts + 1 WHERE ctid = ANY (v_test_rows)
            )
            INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
            SELECT 'test', command_id, 'RECEIVED', jsonb_build_object(
                'msg_id', msg_id, 'attempt', attempt, 'max_attempts', max_attempts) || v_told
            FROM unnest(v_begun_ids, v_begun, v_attempts, v_most) AS b (command_id, msg_id, attempt, max_attempts);
            IF v_batches IS NOT NULL THEN
                PERFORM commandbus.start_batches('test', v_batches);
            END IF;
            v_commands := v_commands || v_more;
            v_wanted := v_wanted - cardinality(v_begun);
        END IF;
        IF v_found > coalesce(cardinality(v_begun), 0) THEN
            v_all_lone := v_all_lone || coalesce(v_lone, '{}');
            v_other := commandbus.settle_others('test', v_msg_ids, v_ids, v_locked, v_begun || v_lone);
            v_parked := v_parked + (v_other ->> 'parked')::INTEGER;
            v_rejected := v_rejected + (v_other ->> 'rejected')::INTEGER;
            v_round_busy := (v_other ->> 'busy')::INTEGER;
            v_busy := v_busy + v_round_busy;
            IF v_round_busy = v_found AND NOT v_dry THEN
                -- Nothing but held rows: there may be thousands, so step over them faster than by rounds.
                v_after := commandbus.before_free('test', v_after, p_until);
            END IF;
        END IF;
        IF v_begun IS NULL THEN
            v_look := v_look + (clock_timestamp() - v_began);
        END IF;
        EXIT WHEN v_dry OR v_wanted <= 0 OR (v_begun IS NOT NULL AND v_limit < v_wanted);
    END LOOP;

    IF v_dry AND p_after = 0 THEN
        v_began := clock_timestamp();
        SELECT vt INTO v_due FROM pgmq.q_test__commands WHERE vt > v_began ORDER BY vt LIMIT 1;
        v_look := v_look + (clock_timestamp() - v_began);
    END IF;
    RETURN json_build_object(
        'commands', coalesce(array_to_json(v_commands), '[]'), 'parked', v_parked, 'rejected', v_rejected, 'busy', v_busy,
        'lone', to_json(v_all_lone), 'dry', v_dry, 'last', v_after, 'look_us', ceil(extract(epoch FROM v_look) * 1000000)::BIGINT,
        'due_ms', CASE WHEN v_due IS NOT NULL
            THEN greatest(0, ceil(extract(epoch FROM v_due - clock_timestamp()) * 1000)) END);
END
$$;

CREATE OR REPLACE FUNCTION commandbus.start_batches(p_domain TEXT, p_batches UUID[]) RETURNS VOID
LANGUAGE sql AS $$
    SELECT commandbus.sp_start_batch(p_domain, batch_id) FROM (
        SELECT DISTINCT batch_id FROM unnest(p_batches) b (batch_id) ORDER BY batch_id) d
$$;
COMMENT ON FUNCTION commandbus.start_batches(TEXT, UUID[]) IS
    'Part of receive_commands: marks batches as begun when their first member is received';

CREATE OR REPLACE FUNCTION commandbus.settle_others(
    p_domain TEXT, p_msg_ids BIGINT[], p_ids UUID[], p_locked UUID[], p_left BIGINT[]
) RETURNS JSON
LANGUAGE plpgsql AS $$
DECLARE
    v_locked UUID[] := coalesce(p_locked, '{}');
    v_kept BIGINT[] := commandbus.messages_kept(ARRAY(
        SELECT msg_id FROM unnest(p_msg_ids) m (msg_id) WHERE msg_id <> ALL (coalesce(p_left, '{}'))));
    v_left BIGINT[] := coalesce(p_left, '{}') || v_kept;
    v_known UUID[] := ARRAY(
        SELECT c.command_id FROM unnest(p_ids) m (command_id)
        CROSS JOIN LATERAL (SELECT command_id FROM commandbus.command
                            WHERE domain = p_domain AND command_id = m.command_id LIMIT 1) c);
    v_parked BIGINT[] := commandbus.park_expired(p_domain, p_msg_ids, p_ids, v_locked, v_left);
    v_rejected INTEGER := commandbus.reject_messages(p_domain, p_msg_ids, p_ids, v_known);
BEGIN
    -- What is left of the locked ones is final or was sent again since: its message is of no more use.
    PERFORM pgmq.archive(p_domain || '__commands', ARRAY(
        SELECT m.msg_id FROM unnest(p_msg_ids, p_ids) AS m (msg_id, command_id)
        WHERE m.command_id = ANY (v_locked) AND m.msg_id <> ALL (v_left || v_parked)));
    RETURN json_build_object('parked', cardinality(v_parked), 'rejected', v_rejected, 'busy', (
        SELECT count(*) FROM unnest(p_ids, p_msg_ids) m (command_id, msg_id)
        WHERE m.command_id = ANY (v_known) AND (m.command_id <> ALL (v_locked) OR m.msg_id = ANY (v_kept))));
END
$$;
COMMENT ON FUNCTION commandbus.settle_others(TEXT, BIGINT[], UUID[], UUID[], BIGINT[]) IS
    'Part of receive_commands: parks, rejects or archives candidates that may not begin, except p_left, and counts those '
    'that another transaction holds or whose outcome a worker has; they are left as they are';

CREATE OR REPLACE FUNCTION commandbus.park_expired(
    p_domain TEXT, p_msg_ids BIGINT[], p_ids UUID[], p_locked UUID[], p_begun BIGINT[]
) RETURNS BIGINT[]
LANGUAGE plpgsql AS $$
DECLARE
    v_parked BIGINT[];
    v_batch RECORD;
BEGIN
    WITH parked AS (
        UPDATE commandbus.command c
        SET status = 'IN_TROUBLESHOOTING_QUEUE', last_error_type = 'TRANSIENT', last_error_code = 'LEASE_EXPIRED',
            last_error_msg = format('The lease of attempt %s of %s ran out', c.attempts, c.max_attempts),
            updated_at = clock_timestamp()
        FROM unnest(p_msg_ids, p_ids) AS m (msg_id, command_id)
        WHERE c.domain = p_domain AND c.command_id = m.command_id AND c.command_id = ANY (p_locked)
          AND c.msg_id = m.msg_id AND c.msg_id <> ALL (p_begun)
          AND c.status IN ('PENDING', 'IN_PROGRESS') AND c.attempts >= c.max_attempts
        RETURNING c.*
    ), audited AS (
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT p_domain, command_id, 'MOVED_TO_TSQ', jsonb_build_object(
            'msg_id', msg_id, 'attempt', attempts, 'max_attempts', max_attempts, 'reason', 'LEASE_EXPIRED',
            'error_type', last_error_type, 'error_code', last_error_code, 'error_msg', last_error_msg)
        FROM parked
    )
    SELECT coalesce(array_agg(msg_id), '{}') INTO v_parked FROM parked;
    IF v_parked <> '{}' THEN
        PERFORM pgmq.archive(p_domain || '__commands', v_parked);
        FOR v_batch IN
            SELECT c.batch_id, count(*)::INTEGER AS n FROM commandbus.command c
            WHERE c.domain = p_domain AND c.command_id = ANY (p_ids) AND c.msg_id = ANY (v_parked)
              AND c.batch_id IS NOT NULL
            GROUP BY c.batch_id ORDER BY c.batch_id
        LOOP
            PERFORM commandbus.count_batch(p_domain, v_batch.batch_id, 0, 0, 0, v_batch.n);
        END LOOP;
    END IF;
    RETURN v_parked;
END
$$;
COMMENT ON FUNCTION commandbus.park_expired(TEXT, BIGINT[], UUID[], UUID[], BIGINT[]) IS
    'Part of receive_commands: parks commands that had all their deliveries and never ended; answers their messages';

CREATE OR REPLACE FUNCTION commandbus.reject_messages(p_domain TEXT, p_msg_ids BIGINT[], p_ids UUID[], p_known UUID[])
RETURNS INTEGER
LANGUAGE plpgsql AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_rejected BIGINT[] := ARRAY(
        SELECT m.msg_id FROM unnest(p_msg_ids, p_ids) AS m (msg_id, command_id)
        WHERE m.command_id IS NULL OR m.command_id <> ALL (p_known));
BEGIN
    IF v_rejected = '{}' THEN
        RETURN 0;
    END IF;
    EXECUTE format(
        'INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
         SELECT $1, ''00000000-0000-0000-0000-000000000000'', ''MESSAGE_REJECTED'', jsonb_build_object(
             ''msg_id'', msg_id, ''message'', left(message::TEXT, 1024), ''reason'', CASE
                 WHEN message IS NULL OR jsonb_typeof(message) <> ''object'' THEN ''not an object''
                 WHEN message ->> ''command_id'' IS NULL THEN ''no command_id''
                 WHEN commandbus.command_id_of(message) IS NULL THEN ''bad command_id''
                 ELSE ''unknown command'' END)
         FROM pgmq.%I WHERE msg_id = ANY ($2) ORDER BY msg_id', 'q_' || v_queue) USING p_domain, v_rejected;
    PERFORM pgmq.archive(v_queue, v_rejected);
    RETURN cardinality(v_rejected);
END
$$;
COMMENT ON FUNCTION commandbus.reject_messages(TEXT, BIGINT[], UUID[], UUID[]) IS
    'Part of receive_commands: archives messages that are no command, one MESSAGE_REJECTED each; answers how many';

-- ----------------------------------------------------------------------------------------------------------- finish

CREATE OR REPLACE FUNCTION commandbus.finish_test(p_outcomes JSONB) RETURNS JSON
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_outcomes JSONB := p_outcomes;
    v_again JSONB;               -- of outcomes that were sent before: {before, busy}
    v_valid BOOLEAN;
    v_once BOOLEAN;
    v_accepted JSONB;
    v_busy UUID[];
    v_queue_held BIGINT[];       -- messages whose rows another transaction holds
    v_late commandbus.outcome[];
    v_ids UUID[];                -- successes that count: commands …
    v_msg_ids BIGINT[];          -- … their messages, attempts, results …
    v_attempts INTEGER[];
    v_results JSONB[];
    v_reply_queues TEXT[];       -- … where a reply goes (empty: nowhere), and in which conversation
    v_correlations UUID[];
    v_queue_rows TID[];
    v_command_rows TID[];
    v_test_rows TID[];
    v_replies BOOLEAN;
    v_other_replies UUID[];      -- to queues of other domains
    v_in_batch UUID[];
    v_failed commandbus.outcome[];  -- failures that count, and the rows of their commands
    v_failed_rows TID[];
BEGIN
    IF p_outcomes @> '[{"again": true}]' THEN
        v_again := commandbus.ends_before('test', p_outcomes);
        v_outcomes := v_again -> 'left';
    END IF;

    FOR v_try IN 1..2 LOOP
        -- The fence: a success of any attempt of the current message counts, a failure only of the current attempt.
        SELECT bool_and(valid), count(DISTINCT (o).command_id) = count(*),
               coalesce(jsonb_object_agg((o).command_id, 'COMPLETED') FILTER (WHERE ok AND success), '{}'),
               array_agg((o).command_id) FILTER (WHERE held),
               array_agg((o).msg_id) FILTER (WHERE queue_held AND command_row IS NOT NULL),
               array_agg(o) FILTER (WHERE NOT ok AND NOT held AND command_row IS NOT NULL),
               array_agg((o).command_id) FILTER (WHERE ok AND success), array_agg((o).msg_id) FILTER (WHERE ok AND success),
               array_agg((o).attempt) FILTER (WHERE ok AND success), array_agg((o).result) FILTER (WHERE ok AND success),
               array_agg(reply_queue) FILTER (WHERE ok AND success), array_agg(correlation_id) FILTER (WHERE ok AND success),
               array_agg(queue_row) FILTER (WHERE ok AND success), array_agg(command_row) FILTER (WHERE ok AND success),
               array_agg(test_row) FILTER (WHERE ok AND success),
               bool_or(ok AND success AND reply_queue = 'test__replies'),
               array_agg((o).command_id) FILTER (WHERE ok AND success AND reply_queue NOT IN ('', 'test__replies')),
               array_agg((o).command_id) FILTER (WHERE ok AND success AND batch_id IS NOT NULL),
               array_agg(o) FILTER (WHERE ok AND NOT success), array_agg(command_row) FILTER (WHERE ok AND NOT success)
        INTO v_valid, v_once, v_accepted, v_busy, v_queue_held, v_late, v_ids, v_msg_ids, v_attempts, v_results,
             v_reply_queues, v_correlations, v_queue_rows, v_command_rows, v_test_rows, v_replies, v_other_replies,
             v_in_batch, v_failed, v_failed_rows
        FROM (
            SELECT o, c.command_row, c.reply_queue, c.correlation_id, c.batch_id, t.test_row, q.queue_row, h.queue_held,
                   h.held OR h.queue_held AS held, o.kind = 'success' AS success,
                   (o.command_id IS NOT NULL AND o.msg_id IS NOT NULL AND o.attempt IS NOT NULL AND o.kind IS NOT NULL
                    AND o.kind IN ('success', 'transient', 'permanent', 'business_rule')) AS valid,
                   coalesce(c.status IN ('PENDING', 'IN_PROGRESS') AND c.msg_id = o.msg_id
                            AND (o.kind = 'success' OR c.attempts = o.attempt) AND NOT h.held AND NOT h.queue_held,
                            FALSE) AS ok
            FROM jsonb_populate_recordset(NULL::commandbus.outcome, v_outcomes) o
            LEFT JOIN LATERAL (
                SELECT ctid AS command_row, status, msg_id, attempts, reply_queue, correlation_id, batch_id
                FROM commandbus.command
                WHERE domain = 'test' AND command_id = o.command_id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) c ON TRUE
            LEFT JOIN LATERAL (
                SELECT ctid AS test_row FROM public.test_command
                WHERE command_id = o.command_id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) t ON TRUE
            LEFT JOIN LATERAL (
                SELECT ctid AS queue_row FROM pgmq.q_test__commands
                WHERE msg_id = o.msg_id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) q ON TRUE
            -- No row, or one that is held elsewhere? (Not by EXISTS, for which the planner may read the whole table.)
            CROSS JOIN LATERAL (
                SELECT (c.command_row IS NULL AND (
                            SELECT TRUE FROM commandbus.command
                            WHERE domain = 'test' AND command_id = o.command_id LIMIT 1) IS TRUE)
                    OR (t.test_row IS NULL AND (
                            SELECT TRUE FROM public.test_command WHERE command_id = o.command_id LIMIT 1) IS TRUE) AS held,
                       q.queue_row IS NULL AND (
                            SELECT TRUE FROM pgmq.q_test__commands
                            WHERE msg_id = o.msg_id LIMIT 1) IS TRUE AS queue_held
            ) h
        ) outcome;
        EXIT WHEN v_queue_held IS NULL OR v_try = 2;
        -- A receive holds rows for a moment that it saw before they were leased, and then leaves them: let it end.
        PERFORM commandbus.wait_for_messages('test', v_queue_held);
    END LOOP;
    IF NOT v_valid THEN
        RAISE EXCEPTION 'an outcome needs command_id, msg_id, attempt and a known kind' USING ERRCODE = '22023';
    ELSIF NOT v_once THEN
        RAISE EXCEPTION 'at most one outcome per command in one call' USING ERRCODE = '22023';
    END IF;

    IF v_ids IS NOT NULL THEN
        WITH ended AS (
            UPDATE commandbus.command SET status = 'COMPLETED', updated_at = clock_timestamp()
            WHERE ctid = ANY (v_command_rows)
        ), deleted AS (
            DELETE FROM pgmq.q_test__commands WHERE ctid = ANY (v_queue_rows)
        ), tested AS (
            UPDATE public.test_command t SET result = r.result, processed_at = clock_timestamp()
            FROM unnest(v_test_rows, v_results) AS r (place, result) WHERE t.ctid = r.place
        ), replied AS (
            INSERT INTO pgmq.q_test__replies (vt, message)
            SELECT clock_timestamp(), jsonb_build_object(
                'command_id', command_id, 'correlation_id', correlation_id, 'outcome', 'SUCCESS', 'result', result)
            FROM unnest(v_ids, v_correlations, v_results, v_reply_queues)
                AS r (command_id, correlation_id, result, reply_queue)
            WHERE reply_queue = 'test__replies'
        )
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT 'test', command_id, 'COMPLETED', jsonb_build_object('msg_id', msg_id, 'attempt', attempt,
            'reply_to', nullif(reply_queue, ''), 'has_result', result IS NOT NULL)
        FROM unnest(v_ids, v_msg_ids, v_attempts, v_reply_queues, v_results)
            AS e (command_id, msg_id, attempt, reply_queue, result);
        IF v_replies THEN
            PERFORM pg_notify('pgmq_notify_test__replies', '');
        END IF;
        IF v_other_replies IS NOT NULL THEN
            PERFORM commandbus.send_replies('test', v_other_replies, ARRAY(
                SELECT o FROM jsonb_populate_recordset(NULL::commandbus.outcome, v_outcomes) o
                WHERE o.command_id = ANY (v_other_replies)));
        END IF;
        IF v_in_batch IS NOT NULL THEN
            PERFORM commandbus.count_batches('test', v_in_batch);
        END IF;
    END IF;
    IF v_failed IS NOT NULL THEN
        v_accepted := v_accepted || commandbus.write_failures('test', v_failed, v_failed_rows);
    END IF;
    IF v_late IS NOT NULL THEN
        PERFORM commandbus.write_late('test', v_late);
    END IF;
    RETURN json_build_object(
        'accepted', v_accepted,
        'late', ARRAY(SELECT command_id FROM unnest(v_late)),
        'busy', to_jsonb(coalesce(v_busy, '{}')) || coalesce(v_again -> 'busy', '[]'),
        'before', coalesce(v_again -> 'before', '{}'));
END
$$;

CREATE OR REPLACE FUNCTION commandbus.wait_for_messages(p_domain TEXT, p_msg_ids BIGINT[]) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    v_lock_timeout TEXT := current_setting('lock_timeout');
BEGIN
    PERFORM set_config('lock_timeout', '100ms', TRUE);
    EXECUTE format('SELECT count(*) FROM (SELECT FROM pgmq.%I WHERE msg_id = ANY ($1) FOR UPDATE) q',
                   'q_' || p_domain || '__commands') USING p_msg_ids;
    PERFORM set_config('lock_timeout', v_lock_timeout, TRUE);
EXCEPTION WHEN lock_not_available THEN
    NULL;  -- they are held for longer: their outcomes are sent again later
END
$$;
COMMENT ON FUNCTION commandbus.wait_for_messages(TEXT, BIGINT[]) IS
    'Part of finish_commands: waits at most 100 ms until no other transaction holds the rows of these messages';

CREATE OR REPLACE FUNCTION commandbus.ends_before(p_domain TEXT, p_outcomes JSONB) RETURNS JSONB
LANGUAGE plpgsql AS $$
DECLARE
    v_again commandbus.outcome[] := ARRAY(
        SELECT o FROM jsonb_populate_recordset(NULL::commandbus.outcome, p_outcomes) o WHERE o.again);
    v_locked UUID[] := ARRAY(
        SELECT c.command_id FROM unnest(v_again) o
        CROSS JOIN LATERAL (SELECT command_id FROM commandbus.command
                            WHERE domain = p_domain AND command_id = o.command_id LIMIT 1 FOR UPDATE SKIP LOCKED) c);
    v_busy UUID[] := ARRAY(
        SELECT c.command_id FROM unnest(v_again) o
        CROSS JOIN LATERAL (SELECT command_id FROM commandbus.command
                            WHERE domain = p_domain AND command_id = o.command_id LIMIT 1) c
        WHERE c.command_id <> ALL (v_locked));
    v_before JSONB;
BEGIN
    -- An attempt ends once. Looked up under the locks, in a statement of its own.
    SELECT coalesce(jsonb_object_agg(o.command_id, a.event_type), '{}') INTO v_before
    FROM unnest(v_again) o
    CROSS JOIN LATERAL (
        SELECT event_type FROM commandbus.audit
        WHERE command_id = o.command_id AND domain = p_domain
          AND event_type IN ('COMPLETED', 'FAILED', 'MOVED_TO_TSQ', 'BUSINESS_RULE_FAILED', 'LATE_COMPLETED', 'LATE_FAILED')
          AND (details_json ->> 'msg_id')::BIGINT = o.msg_id AND (details_json ->> 'attempt')::INTEGER = o.attempt
          AND details_json ->> 'reason' IS DISTINCT FROM 'LEASE_EXPIRED'
        ORDER BY audit_id LIMIT 1) a
    WHERE o.command_id = ANY (v_locked);
    RETURN jsonb_build_object('before', v_before, 'busy', to_jsonb(v_busy), 'left', coalesce((
        SELECT jsonb_agg(e) FROM jsonb_array_elements(p_outcomes) e
        WHERE NOT v_before ? (e ->> 'command_id') AND NOT to_jsonb(v_busy) ? (e ->> 'command_id')), '[]'));
END
$$;
COMMENT ON FUNCTION commandbus.ends_before(TEXT, JSONB) IS
    'Part of finish_commands: of outcomes that were sent before, those that were written then (before: command -> event) '
    'and those whose commands another transaction holds (busy); left are the outcomes still to be written';

CREATE OR REPLACE FUNCTION commandbus.write_failures(p_domain TEXT, p_failed commandbus.outcome[], p_rows TID[]) RETURNS JSONB
LANGUAGE plpgsql AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_statuses JSONB;
    v_archive BIGINT[];
    v_retry BIGINT[];
    v_delays BIGINT[];
    v_with_reply UUID[];
    v_in_batch UUID[];
BEGIN
    WITH ended AS (
        UPDATE commandbus.command c
        SET status = CASE
                WHEN f.kind = 'business_rule' THEN 'FAILED'
                WHEN f.kind = 'transient' AND c.attempts < c.max_attempts THEN 'IN_PROGRESS'
                ELSE 'IN_TROUBLESHOOTING_QUEUE' END,
            last_error_type = upper(f.kind), last_error_code = f.error_code, last_error_msg = f.error_msg,
            updated_at = clock_timestamp()
        FROM ROWS FROM (unnest(p_rows), unnest(p_failed)) AS f (
            place, command_id, msg_id, attempt, kind, result, error_code, error_msg, error_details, delay_ms, again)
        WHERE c.ctid = f.place
        RETURNING c.command_id, c.msg_id, c.status, c.max_attempts, c.reply_queue, c.batch_id, f.attempt, f.kind,
                  f.error_code, f.error_msg, f.error_details, f.delay_ms
    ), audited AS (
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT p_domain, command_id,
            CASE status WHEN 'FAILED' THEN 'BUSINESS_RULE_FAILED' WHEN 'IN_PROGRESS' THEN 'FAILED' ELSE 'MOVED_TO_TSQ' END,
            jsonb_build_object('msg_id', msg_id, 'attempt', attempt, 'error_code', error_code, 'error_msg', error_msg)
            || CASE
                WHEN status = 'IN_PROGRESS' THEN jsonb_build_object(
                    'max_attempts', max_attempts, 'error_type', 'TRANSIENT', 'delay_ms', coalesce(delay_ms, 0))
                WHEN kind = 'transient' THEN jsonb_build_object(
                    'max_attempts', max_attempts, 'error_type', 'TRANSIENT', 'reason', 'EXHAUSTED')
                ELSE jsonb_build_object('error_details', error_details) END
        FROM ended
    )
    SELECT jsonb_object_agg(command_id, status),
           array_agg(msg_id) FILTER (WHERE status <> 'IN_PROGRESS'),
           array_agg(msg_id) FILTER (WHERE status = 'IN_PROGRESS'),
           array_agg(coalesce(delay_ms, 0)) FILTER (WHERE status = 'IN_PROGRESS'),
           array_agg(command_id) FILTER (WHERE status = 'FAILED' AND reply_queue <> ''),
           array_agg(command_id) FILTER (WHERE batch_id IS NOT NULL AND status <> 'IN_PROGRESS')
    INTO v_statuses, v_archive, v_retry, v_delays, v_with_reply, v_in_batch FROM ended;
    IF v_archive IS NOT NULL THEN
        PERFORM pgmq.archive(v_queue, v_archive);
    END IF;
    IF v_retry IS NOT NULL THEN
        PERFORM commandbus.delay_messages(v_queue, v_retry, v_delays);
    END IF;
    IF v_with_reply IS NOT NULL THEN
        PERFORM commandbus.send_replies(p_domain, v_with_reply, p_failed);
    END IF;
    IF v_in_batch IS NOT NULL THEN
        PERFORM commandbus.count_batches(p_domain, v_in_batch);
    END IF;
    RETURN v_statuses;
END
$$;
COMMENT ON FUNCTION commandbus.write_failures(TEXT, commandbus.outcome[], TID[]) IS
    'Part of finish_commands: writes failures that count, to commands whose rows are locked; answers command -> status';

CREATE OR REPLACE FUNCTION commandbus.delay_messages(p_queue TEXT, p_msg_ids BIGINT[], p_delays_ms BIGINT[]) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    v_due TIMESTAMPTZ;
BEGIN
    EXECUTE format(
        'WITH later AS (
             UPDATE pgmq.%I q SET vt = clock_timestamp() + m.delay_ms * interval ''1 millisecond''
             FROM unnest($1, $2) AS m (msg_id, delay_ms) WHERE q.msg_id = m.msg_id RETURNING q.vt)
         SELECT min(vt) FROM later', 'q_' || p_queue)
    INTO v_due USING p_msg_ids, p_delays_ms;
    -- Nothing notifies when a visibility time passes, so waiting workers are told when to look.
    PERFORM pg_notify('pgmq_notify_' || p_queue, extract(epoch FROM v_due)::TEXT);
END
$$;
COMMENT ON FUNCTION commandbus.delay_messages(TEXT, BIGINT[], BIGINT[]) IS
    'Part of finish_commands: hides messages for their backoff and notifies the earliest due time (Unix seconds)';

CREATE OR REPLACE FUNCTION commandbus.send_replies(p_domain TEXT, p_ids UUID[], p_outcomes commandbus.outcome[]) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    v_reply RECORD;
BEGIN
    FOR v_reply IN
        SELECT c.reply_queue AS queue, array_agg(jsonb_build_object(
                   'command_id', c.command_id, 'correlation_id', c.correlation_id,
                   'outcome', CASE o.kind WHEN 'success' THEN 'SUCCESS' ELSE 'FAILED' END,
                   'result', CASE o.kind WHEN 'success' THEN o.result ELSE jsonb_build_object(
                       'error_code', o.error_code, 'error_message', o.error_msg, 'error_details', o.error_details) END
               )) AS messages
        FROM unnest(p_outcomes) o
        CROSS JOIN LATERAL (SELECT * FROM commandbus.command
                            WHERE domain = p_domain AND command_id = o.command_id LIMIT 1) c
        WHERE o.command_id = ANY (p_ids)
        GROUP BY c.reply_queue
    LOOP
        PERFORM pgmq.send_batch(v_reply.queue, v_reply.messages, 0);
        PERFORM pg_notify('pgmq_notify_' || v_reply.queue, '');
    END LOOP;
END
$$;
COMMENT ON FUNCTION commandbus.send_replies(TEXT, UUID[], commandbus.outcome[]) IS
    'Part of finish_commands: one reply for each given command, in the words of the library';

CREATE OR REPLACE FUNCTION commandbus.count_batches(p_domain TEXT, p_ids UUID[]) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    v_batch RECORD;
BEGIN
    -- In the order of their ids, so that two calls never wait for each other in a circle.
    FOR v_batch IN
        SELECT c.batch_id,
               (count(*) FILTER (WHERE c.status = 'COMPLETED'))::INTEGER AS completed,
               (count(*) FILTER (WHERE c.status = 'FAILED'))::INTEGER AS failed,
               (count(*) FILTER (WHERE c.status = 'IN_TROUBLESHOOTING_QUEUE'))::INTEGER AS parked
        FROM commandbus.command c WHERE c.domain = p_domain AND c.command_id = ANY (p_ids)
        GROUP BY c.batch_id ORDER BY c.batch_id
    LOOP
        PERFORM commandbus.count_batch(
            p_domain, v_batch.batch_id, v_batch.completed, v_batch.failed, 0, v_batch.parked);
    END LOOP;
END
$$;
COMMENT ON FUNCTION commandbus.count_batches(TEXT, UUID[]) IS
    'Part of finish_commands: counts commands that have just ended in their batches';

CREATE OR REPLACE FUNCTION commandbus.write_late(p_domain TEXT, p_late commandbus.outcome[]) RETURNS VOID
LANGUAGE sql AS $$
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    SELECT p_domain, o.command_id, CASE o.kind WHEN 'success' THEN 'LATE_COMPLETED' ELSE 'LATE_FAILED' END,
           jsonb_strip_nulls(jsonb_build_object(
               'msg_id', o.msg_id, 'attempt', o.attempt, 'error_code', o.error_code, 'error_msg', o.error_msg))
    FROM unnest(p_late) o
$$;
COMMENT ON FUNCTION commandbus.write_late(TEXT, commandbus.outcome[]) IS
    'Part of finish_commands: one LATE_* event for each end that no longer counts';

-- -------------------------------------------------------------------------------------------------------- heartbeat

CREATE OR REPLACE FUNCTION commandbus.extend_leases(p_domain TEXT, p_attempts JSONB, p_lease_s INTEGER) RETURNS JSON
LANGUAGE plpgsql AS $$
DECLARE
    v_queue TEXT := 'q_' || p_domain || '__commands';
    v_msg_ids BIGINT[];
    v_ids UUID[];
BEGIN
    -- The queue row alone: another transaction may hold the command's for long. Nothing begins an attempt without the
    -- queue row either, so under its lock, in a statement of its own, the command tells whose attempt is the current one.
    EXECUTE format(
        'SELECT array_agg(msg_id) FROM (
             SELECT msg_id FROM pgmq.%I
             WHERE msg_id IN (SELECT (a ->> ''msg_id'')::BIGINT FROM jsonb_array_elements($1) a)
             ORDER BY msg_id FOR UPDATE SKIP LOCKED) q', v_queue)
    INTO v_msg_ids USING p_attempts;
    SELECT array_agg(c.command_id), array_agg(c.msg_id) INTO v_ids, v_msg_ids
    FROM jsonb_to_recordset(p_attempts) AS a (command_id UUID, msg_id BIGINT, attempt INTEGER)
    CROSS JOIN LATERAL (
        SELECT command_id, msg_id, status, attempts FROM commandbus.command
        WHERE domain = p_domain AND command_id = a.command_id LIMIT 1) c
    WHERE c.status = 'IN_PROGRESS' AND c.msg_id = a.msg_id AND c.attempts = a.attempt AND a.msg_id = ANY (v_msg_ids)
      AND NOT commandbus.has_ended(p_domain, a.command_id, a.msg_id, a.attempt);  -- else its vt is a backoff's end
    EXECUTE format('UPDATE pgmq.%I SET vt = clock_timestamp() + make_interval(secs => $2) WHERE msg_id = ANY ($1)', v_queue)
    USING v_msg_ids, p_lease_s;
    RETURN to_json(coalesce(v_ids, '{}'));
END
$$;
COMMENT ON FUNCTION commandbus.extend_leases(TEXT, JSONB, INTEGER) IS
    'Leases the messages of attempts anew, for p_lease_s seconds from now: of attempts that run, and of those that ended '
    'but whose outcome is not written. p_attempts: array of {command_id, msg_id, attempt}. Answers the commands whose lease '
    'was extended: those whose attempt is still the current one';

-- A text that changed here reaches all domains (R__11).
UPDATE commandbus.domain SET name = name;
