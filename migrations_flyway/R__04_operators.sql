-- What an operator does with parked commands: send them again, cancel them, or complete them by hand; and with a pending one:
-- cancel it. Each locks the commands' rows first and touches no live queue row. Many at once do not wait for a command that
-- another transaction holds; one alone (operator_*) does.
--
-- Planner settings as in R__02: for a small list of ids the planner would read whole tables.

DROP FUNCTION IF EXISTS commandbus.end_parked(commandbus.command, TEXT, TEXT, JSONB, JSONB);

-- ------------------------------------------------------------------------------------------------------ many at once

CREATE OR REPLACE FUNCTION commandbus.retry_commands(
    p_domain TEXT, p_ids UUID[], p_operator TEXT, p_reason TEXT DEFAULT '', p_behavior JSONB DEFAULT NULL,
    p_payload JSONB DEFAULT NULL, p_max_attempts INTEGER DEFAULT NULL, p_operation BIGINT DEFAULT NULL
) RETURNS UUID[]
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_ids UUID[];            -- commands that are sent again: their rows are locked …
    v_rows TID[];
    v_new BIGINT[];          -- … their new messages
    v_messages JSONB[];
    v_batches UUID[];
    v_old JSONB[];           -- what the audit keeps of what is changed
    v_told JSONB := jsonb_strip_nulls(jsonb_build_object(
            'operator', p_operator, 'reason', nullif(p_reason, ''), 'operation', p_operation, 'max_attempts', p_max_attempts))
        || CASE WHEN p_behavior IS NULL THEN '{}'::JSONB ELSE jsonb_build_object('behavior', p_behavior) END
        || CASE WHEN p_payload IS NULL THEN '{}'::JSONB ELSE jsonb_build_object('payload', p_payload) END;
BEGIN
    EXECUTE format(
        'SELECT array_agg(c.command_id), array_agg(c.place), array_agg(nextval(%L)),
                array_agg(CASE WHEN $3 IS NULL THEN a.message ELSE jsonb_set(a.message, ''{data}'', $3) END),
                array_agg(c.batch_id) FILTER (WHERE c.batch_id IS NOT NULL),
                array_agg(CASE WHEN $3 IS NULL THEN ''{}''::JSONB ELSE jsonb_build_object(''old_payload'', a.message -> ''data'') END)
         FROM unnest($2) i (command_id)
         CROSS JOIN LATERAL (
             SELECT ctid AS place, command_id, msg_id, batch_id FROM commandbus.command
             WHERE domain = $1 AND command_id = i.command_id AND status = ''IN_TROUBLESHOOTING_QUEUE''
             LIMIT 1 FOR UPDATE SKIP LOCKED) c
         CROSS JOIN LATERAL (SELECT message FROM pgmq.%I WHERE msg_id = c.msg_id LIMIT 1) a',
        pg_get_serial_sequence(format('pgmq.%I', 'q_' || v_queue), 'msg_id'), 'a_' || v_queue)
    INTO v_ids, v_rows, v_new, v_messages, v_batches, v_old USING p_domain, p_ids, p_payload;
    IF v_ids IS NULL THEN
        RETURN '{}';
    END IF;
    IF p_behavior IS NOT NULL OR p_payload IS NOT NULL THEN
        v_old := commandbus.change_test_commands(v_ids, v_old, p_behavior, p_payload);
    END IF;
    EXECUTE format('INSERT INTO pgmq.%I (msg_id, vt, message) OVERRIDING SYSTEM VALUE
        SELECT msg_id, clock_timestamp(), message FROM unnest($1, $2) AS m (msg_id, message)', 'q_' || v_queue)
    USING v_new, v_messages;
    UPDATE commandbus.command c
    SET status = 'PENDING', attempts = 0, msg_id = r.msg_id, max_attempts = greatest(max_attempts, p_max_attempts),
        last_error_type = NULL, last_error_code = NULL, last_error_msg = NULL, updated_at = clock_timestamp()
    FROM unnest(v_rows, v_new) AS r (place, msg_id) WHERE c.ctid = r.place;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    SELECT p_domain, command_id, 'OPERATOR_RETRY', v_told || old || jsonb_build_object('new_msg_id', msg_id)
    FROM unnest(v_ids, v_new, v_old) AS r (command_id, msg_id, old);
    PERFORM commandbus.count_operated(p_domain, v_batches, 0, 0);
    PERFORM pg_notify('pgmq_notify_' || v_queue, '');
    RETURN v_ids;
END
$$;
COMMENT ON FUNCTION commandbus.retry_commands(TEXT, UUID[], TEXT, TEXT, JSONB, JSONB, INTEGER, BIGINT) IS
    'Sends parked commands again, in the order given, attempts counted from 0; with another behavior or payload and with '
    'more attempts where these are given, of which the event keeps what was before. Answers those that it sent: not those '
    'that another transaction holds, that are not parked, or whose message the archive no longer has';

CREATE OR REPLACE FUNCTION commandbus.change_test_commands(
    p_ids UUID[], p_old JSONB[], p_behavior JSONB, p_payload JSONB
) RETURNS JSONB[]
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_old JSONB[] := ARRAY(
        SELECT i.old || CASE WHEN p_behavior IS NULL OR t.behavior IS NULL THEN '{}'::JSONB
                             ELSE jsonb_build_object('old_behavior', t.behavior) END
        FROM unnest(p_ids, p_old) WITH ORDINALITY AS i (command_id, old, place)
        LEFT JOIN LATERAL (SELECT behavior FROM public.test_command WHERE command_id = i.command_id LIMIT 1) t ON TRUE
        ORDER BY i.place);
BEGIN
    UPDATE public.test_command t
    SET behavior = coalesce(p_behavior, behavior), payload = coalesce(p_payload, payload)
    FROM unnest(p_ids) i (command_id) WHERE t.command_id = i.command_id;
    RETURN v_old;
END
$$;
COMMENT ON FUNCTION commandbus.change_test_commands(UUID[], JSONB[], JSONB, JSONB) IS
    'Part of retry_commands: what these commands have to do from now on; answers p_old with their old behaviors';

CREATE OR REPLACE FUNCTION commandbus.end_commands(
    p_domain TEXT, p_ids UUID[], p_status TEXT, p_operator TEXT, p_reason TEXT DEFAULT '', p_result JSONB DEFAULT NULL,
    p_operation BIGINT DEFAULT NULL, p_from TEXT DEFAULT 'IN_TROUBLESHOOTING_QUEUE'
) RETURNS UUID[]
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_completes BOOLEAN := p_status = 'COMPLETED';
    v_parked BOOLEAN := p_from = 'IN_TROUBLESHOOTING_QUEUE';
    v_ids UUID[];
    v_rows TID[];
    v_replies TEXT[];
    v_correlations UUID[];
    v_batches UUID[];
    v_reply TEXT;
    v_told JSONB := jsonb_strip_nulls(jsonb_build_object(
        'operator', p_operator, 'reason', nullif(p_reason, ''), 'operation', p_operation));
BEGIN
    IF p_status NOT IN ('CANCELED', 'COMPLETED') OR p_from NOT IN ('IN_TROUBLESHOOTING_QUEUE', 'PENDING') THEN
        RAISE EXCEPTION 'an operator cannot lead a command from % to %', p_from, p_status USING ERRCODE = '22023';
    END IF;
    SELECT array_agg(c.command_id), array_agg(c.place), array_agg(c.reply_queue), array_agg(c.correlation_id),
           array_agg(c.batch_id) FILTER (WHERE c.batch_id IS NOT NULL)
    INTO v_ids, v_rows, v_replies, v_correlations, v_batches
    FROM unnest(p_ids) i (command_id)
    CROSS JOIN LATERAL (
        SELECT ctid AS place, command_id, reply_queue, correlation_id, batch_id FROM commandbus.command
        WHERE domain = p_domain AND command_id = i.command_id AND status = p_from LIMIT 1 FOR UPDATE SKIP LOCKED) c;
    IF v_ids IS NULL THEN
        RETURN '{}';
    END IF;
    IF v_completes THEN
        UPDATE public.test_command t SET result = p_result, processed_at = clock_timestamp()
        FROM unnest(v_ids) i (command_id) WHERE t.command_id = i.command_id;
    END IF;
    UPDATE commandbus.command SET status = p_status, updated_at = clock_timestamp() WHERE ctid = ANY (v_rows);
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    SELECT p_domain, command_id, CASE WHEN v_completes THEN 'OPERATOR_COMPLETE' ELSE 'OPERATOR_CANCEL' END,
           v_told || jsonb_build_object('reply_to', nullif(reply_queue, ''))
               || CASE WHEN v_completes THEN jsonb_build_object('result_data', p_result) ELSE '{}' END
    FROM unnest(v_ids, v_replies) AS r (command_id, reply_queue);
    FOR v_reply IN SELECT DISTINCT reply_queue FROM unnest(v_replies) r (reply_queue) WHERE reply_queue <> '' LOOP
        PERFORM pgmq.send_batch(v_reply, ARRAY(
            SELECT jsonb_build_object('command_id', command_id, 'correlation_id', correlation_id)
                   || CASE WHEN v_completes THEN jsonb_build_object('outcome', 'SUCCESS', 'result', p_result)
                           ELSE jsonb_build_object('outcome', 'CANCELED', 'reason', p_reason) END
            FROM unnest(v_ids, v_replies, v_correlations) AS r (command_id, reply_queue, correlation_id)
            WHERE reply_queue = v_reply), 0);
        PERFORM pg_notify('pgmq_notify_' || v_reply, '');
    END LOOP;
    PERFORM commandbus.count_operated(p_domain, v_batches, v_completes::INTEGER, (NOT v_completes)::INTEGER, v_parked);
    RETURN v_ids;
END
$$;
COMMENT ON FUNCTION commandbus.end_commands(TEXT, UUID[], TEXT, TEXT, TEXT, JSONB, BIGINT, TEXT) IS
    'Cancels or completes (p_status) parked commands, or those that are PENDING (p_from), each with an event and, where one '
    'was asked for, a reply. Answers those that it ended: not those that another transaction holds or that stand elsewhere. '
    'The message of a pending one stays: the next receive archives it';

CREATE OR REPLACE FUNCTION commandbus.count_operated(
    p_domain TEXT, p_batches UUID[], p_completed INTEGER, p_canceled INTEGER, p_parked BOOLEAN DEFAULT TRUE
) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    v_batch RECORD;
BEGIN
    FOR v_batch IN SELECT b AS batch_id, count(*)::INTEGER AS n FROM unnest(p_batches) b GROUP BY 1 ORDER BY 1 LOOP
        PERFORM commandbus.count_batch(p_domain, v_batch.batch_id, p_completed * v_batch.n, 0, p_canceled * v_batch.n,
                                       CASE WHEN p_parked THEN -v_batch.n ELSE 0 END);
    END LOOP;
END
$$;
COMMENT ON FUNCTION commandbus.count_operated(TEXT, UUID[], INTEGER, INTEGER, BOOLEAN) IS
    'Part of retry_commands and end_commands: counts the members of batches that operators changed, in the order of batches';

-- ------------------------------------------------------------------------------------------------------- one alone

CREATE OR REPLACE FUNCTION commandbus.lock_parked(p_domain TEXT, p_command_id UUID) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    c commandbus.command;
BEGIN
    SELECT * INTO c FROM commandbus.command WHERE domain = p_domain AND command_id = p_command_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'command % does not exist in domain %', p_command_id, p_domain USING ERRCODE = 'P0002';
    END IF;
    IF c.status <> 'IN_TROUBLESHOOTING_QUEUE' THEN
        RAISE EXCEPTION 'command % is not in the troubleshooting queue but %', p_command_id, c.status
            USING ERRCODE = '55000';
    END IF;
END
$$;
COMMENT ON FUNCTION commandbus.lock_parked(TEXT, UUID) IS
    'Part of operator_*: locks a parked command; error P0002 if it is unknown, 55000 if it is not parked';

CREATE OR REPLACE FUNCTION commandbus.operator_retry(p_domain TEXT, p_command_id UUID, p_operator TEXT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM commandbus.lock_parked(p_domain, p_command_id);
    IF cardinality(commandbus.retry_commands(p_domain, ARRAY[p_command_id], p_operator)) = 0 THEN
        RAISE EXCEPTION 'the message of command % is no longer in the archive', p_command_id USING ERRCODE = '55000';
    END IF;
    RETURN (SELECT msg_id FROM commandbus.command WHERE domain = p_domain AND command_id = p_command_id);
END
$$;
COMMENT ON FUNCTION commandbus.operator_retry(TEXT, UUID, TEXT) IS
    'Sends a parked command again, attempts counted from 0; answers the new message. Errors as lock_parked, and 55000 '
    'where the archive no longer has its message';

CREATE OR REPLACE FUNCTION commandbus.operator_cancel(p_domain TEXT, p_command_id UUID, p_reason TEXT, p_operator TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM commandbus.lock_parked(p_domain, p_command_id);
    PERFORM commandbus.end_commands(p_domain, ARRAY[p_command_id], 'CANCELED', p_operator, p_reason);
END
$$;
COMMENT ON FUNCTION commandbus.operator_cancel(TEXT, UUID, TEXT, TEXT) IS
    'Cancels a parked command and replies CANCELED. Errors as lock_parked';

CREATE OR REPLACE FUNCTION commandbus.operator_complete(p_domain TEXT, p_command_id UUID, p_result JSONB, p_operator TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM commandbus.lock_parked(p_domain, p_command_id);
    PERFORM commandbus.end_commands(p_domain, ARRAY[p_command_id], 'COMPLETED', p_operator, p_result => p_result);
END
$$;
COMMENT ON FUNCTION commandbus.operator_complete(TEXT, UUID, JSONB, TEXT) IS
    'Completes a parked command by hand and replies SUCCESS with the result. Errors as lock_parked';
