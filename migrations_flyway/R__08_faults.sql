-- What receive and finish do when something goes wrong: attempts that were lost with their worker, rows that other
-- transactions hold, batches that the server refuses.

-- -------------------------------------------------------------------------------------- workers, and what they leave

CREATE OR REPLACE FUNCTION commandbus.worker_key(p_worker UUID) RETURNS BIGINT
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT hashtextextended('commandbus worker ' || p_worker::TEXT, 0)
$$;
COMMENT ON FUNCTION commandbus.worker_key(UUID) IS
    'The advisory lock that a worker holds on its direct connection as long as it lives';

CREATE OR REPLACE FUNCTION commandbus.is_gone(p_worker UUID) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    v_polling BOOLEAN;
    v_silent BOOLEAN;
BEGIN
    SELECT polling, beat_at < clock_timestamp() - interval '10 s' INTO v_polling, v_silent
    FROM public.e2e_worker WHERE worker_id = p_worker AND stopped_at IS NULL;
    IF NOT FOUND THEN
        RETURN TRUE;
    ELSIF v_polling THEN
        RETURN v_silent;  -- behind a pooler a worker has no lock of its own: five missed beats, Worker.SILENCE
    END IF;
    -- The lock of a worker that lives is not free. Ours is shared and ends with this transaction.
    RETURN pg_try_advisory_xact_lock_shared(commandbus.worker_key(p_worker));
END
$$;
COMMENT ON FUNCTION commandbus.is_gone(UUID) IS
    'Whether a worker stopped, died, or was silent for so long that it counts as dead; a frozen one is not gone';

CREATE OR REPLACE FUNCTION commandbus.has_ended(p_domain TEXT, p_command_id UUID, p_msg_id BIGINT, p_attempt INTEGER)
RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM commandbus.audit
    WHERE command_id = p_command_id AND domain = p_domain AND event_type <> 'RECEIVED'
      AND (details_json ->> 'msg_id')::BIGINT = p_msg_id AND (details_json ->> 'attempt')::INTEGER = p_attempt
    LIMIT 1;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION commandbus.has_ended(TEXT, UUID, BIGINT, INTEGER) IS 'Whether an attempt has an end event';

CREATE OR REPLACE FUNCTION commandbus.was_lost(p_domain TEXT, p_command_id UUID, p_msg_id BIGINT, p_attempt INTEGER)
RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    v_worker UUID;
BEGIN
    SELECT (details_json ->> 'worker')::UUID INTO v_worker FROM commandbus.audit
    WHERE command_id = p_command_id AND domain = p_domain AND event_type = 'RECEIVED'
      AND (details_json ->> 'msg_id')::BIGINT = p_msg_id AND (details_json ->> 'attempt')::INTEGER = p_attempt
    LIMIT 1;
    RETURN v_worker IS NOT NULL AND NOT commandbus.has_ended(p_domain, p_command_id, p_msg_id, p_attempt)
        AND commandbus.is_gone(v_worker);
END
$$;
COMMENT ON FUNCTION commandbus.was_lost(TEXT, UUID, BIGINT, INTEGER) IS
    'Part of receive_commands: whether an attempt has no end event and its worker is gone. False where its worker is '
    'unknown';

CREATE OR REPLACE FUNCTION commandbus.messages_kept(p_msg_ids BIGINT[]) RETURNS BIGINT[]
LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        SELECT k.msg_id::BIGINT FROM public.e2e_worker w
        CROSS JOIN LATERAL jsonb_array_elements_text(w.kept) k (msg_id)
        WHERE w.stopped_at IS NULL AND w.kept <> '[]' AND k.msg_id::BIGINT = ANY (p_msg_ids)
          AND NOT commandbus.is_gone(w.worker_id));
END
$$;
COMMENT ON FUNCTION commandbus.messages_kept(BIGINT[]) IS
    'Part of receive_commands: those of these messages whose outcome a live worker says that it still has to write';

-- --------------------------------------------------------------------------------------------------------- held rows

CREATE OR REPLACE FUNCTION commandbus.before_free(p_domain TEXT, p_after BIGINT, p_until BIGINT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
    v_at_a_time CONSTANT INTEGER := 2000;
    v_after BIGINT := p_after;
    v_free BIGINT;
    v_last BIGINT;
    v_ends TIMESTAMPTZ := clock_timestamp() + interval '100 ms';
BEGIN
    -- Queue rows are not locked: locking them would write to each.
    WHILE clock_timestamp() < v_ends LOOP
        EXECUTE format(
            'SELECT msg_id FROM (
                 SELECT msg_id, commandbus.command_id_of(message) AS command_id FROM pgmq.%I
                 WHERE vt <= clock_timestamp() AND msg_id > $2 AND msg_id <= $3 ORDER BY msg_id LIMIT $4) q
             LEFT JOIN LATERAL (
                 SELECT TRUE AS ours FROM commandbus.command WHERE domain = $1 AND command_id = q.command_id
                 LIMIT 1 FOR UPDATE SKIP LOCKED) c ON TRUE
             LEFT JOIN LATERAL (
                 SELECT TRUE AS ours FROM public.test_command WHERE command_id = q.command_id
                 LIMIT 1 FOR UPDATE SKIP LOCKED) t ON TRUE
             WHERE (c.ours OR (SELECT TRUE FROM commandbus.command
                               WHERE domain = $1 AND command_id = q.command_id LIMIT 1) IS NOT TRUE)
               AND (t.ours OR (SELECT TRUE FROM public.test_command
                               WHERE command_id = q.command_id LIMIT 1) IS NOT TRUE)
             LIMIT 1', 'q_' || p_domain || '__commands')
        INTO v_free USING p_domain, v_after, p_until, v_at_a_time;
        IF v_free IS NOT NULL THEN
            RETURN v_free - 1;
        END IF;
        EXECUTE format(
            'SELECT max(msg_id) FROM (
                 SELECT msg_id FROM pgmq.%I
                 WHERE vt <= clock_timestamp() AND msg_id > $1 AND msg_id <= $2 ORDER BY msg_id LIMIT $3) q',
            'q_' || p_domain || '__commands')
        INTO v_last USING v_after, p_until, v_at_a_time;
        EXIT WHEN v_last IS NULL;
        v_after := v_last;
    END LOOP;
    RETURN v_after;
END
$$;
COMMENT ON FUNCTION commandbus.before_free(TEXT, BIGINT, BIGINT) IS
    'Part of receive_commands: beyond p_after, the message before the first visible one whose rows no other transaction '
    'holds; where that takes longer than 100 ms or there is none, how far it looked';

-- ---------------------------------------------------------------------------------------------------- large messages

CREATE OR REPLACE FUNCTION commandbus.at_once(p_domain TEXT, p_after BIGINT, p_until BIGINT, p_wanted INTEGER) RETURNS INTEGER
LANGUAGE plpgsql AS $$
DECLARE
    v_fit INTEGER;
    v_all INTEGER;
BEGIN
    -- By their size as stored, compressed, which costs no look into them.
    EXECUTE format(
        'SELECT count(*) FILTER (WHERE bytes <= 4 * 1024 * 1024), count(*) FROM (
             SELECT sum(bytes) OVER (ORDER BY msg_id) AS bytes FROM (
                 SELECT msg_id, pg_column_size(message) AS bytes FROM pgmq.%I
                 WHERE vt <= clock_timestamp() AND msg_id > $1 AND msg_id <= $2 ORDER BY msg_id LIMIT $3) q) s', 'q_' || p_domain || '__commands')
    INTO v_fit, v_all USING p_after, p_until, p_wanted;
    RETURN CASE WHEN v_fit = v_all THEN p_wanted ELSE greatest(1, v_fit) END;
END
$$;
COMMENT ON FUNCTION commandbus.at_once(TEXT, BIGINT, BIGINT, INTEGER) IS
    'Part of receive_commands: how many of the next p_wanted messages fit into one answer, at least one';

-- -------------------------------------------------------------------------------------- is it the batch, or the moment?

CREATE OR REPLACE FUNCTION commandbus.try_engine(p_domain TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    v_id UUID;
    v_kind TEXT;
    v_answer JSON;
    v_msg_id BIGINT;
BEGIN
    FOREACH v_kind IN ARRAY ARRAY['success', 'transient', 'permanent'] LOOP
        v_id := gen_random_uuid();
        PERFORM commandbus.send_commands(p_domain, 'TestCommand', jsonb_build_array(jsonb_build_array(
            v_id, jsonb_build_object('type', 'success'), jsonb_build_object())), 2, p_domain || '__replies');
        SELECT msg_id INTO STRICT v_msg_id FROM commandbus.command WHERE domain = p_domain AND command_id = v_id;
        v_answer := commandbus.receive_commands(p_domain, 1, 30, v_msg_id - 1, v_msg_id);
        IF json_array_length(v_answer -> 'commands') <> 1 THEN
            RAISE EXCEPTION 'a command that was just sent cannot be received' USING ERRCODE = '55000';
        END IF;
        v_answer := commandbus.finish_commands(p_domain, jsonb_build_array(jsonb_build_object(
            'command_id', v_id, 'msg_id', v_msg_id, 'attempt', 1, 'kind', v_kind, 'result', jsonb_build_object(),
            'error_code', 'TRIED', 'error_msg', 'tried', 'delay_ms', 0)));
        IF v_answer -> 'accepted' ->> v_id::TEXT IS NULL THEN
            RAISE EXCEPTION 'a command that was just received cannot be finished' USING ERRCODE = '55000';
        END IF;
    END LOOP;
    RAISE EXCEPTION 'tried' USING ERRCODE = 'CB001';
EXCEPTION WHEN SQLSTATE 'CB001' THEN
    RETURN TRUE;  -- and nothing of it is left
END
$$;
COMMENT ON FUNCTION commandbus.try_engine(TEXT) IS
    'Sends, receives and finishes commands that are known to be good, and takes all of it back. True where that works, else '
    'the error that it met: then the moment is to blame for what the server refuses, and no message or outcome';

-- -------------------------------------------------------------------------------- a receive that the server refused

CREATE OR REPLACE FUNCTION commandbus.receive_one_by_one(
    p_domain TEXT, p_limit INTEGER, p_lease_s INTEGER, p_worker UUID DEFAULT NULL, p_not BIGINT[] DEFAULT '{}'
) RETURNS JSON
LANGUAGE plpgsql AS $$
DECLARE
    v_msg_id BIGINT;
    v_answer JSONB;
    v_commands JSONB := '[]';
    v_lone JSONB := '[]';
    v_parked INTEGER := 0;
    v_rejected INTEGER := 0;
    v_busy INTEGER := 0;
BEGIN
    FOR v_msg_id IN EXECUTE format(
        'SELECT msg_id FROM pgmq.%I WHERE vt <= clock_timestamp() AND msg_id <> ALL ($1) ORDER BY msg_id LIMIT %s',
        'q_' || p_domain || '__commands', p_limit) USING p_not
    LOOP
        v_answer := commandbus.receive_suspect(p_domain, v_msg_id, p_lease_s, p_worker);
        v_commands := v_commands || (v_answer -> 'commands');
        v_lone := v_lone || (v_answer -> 'lone');
        v_parked := v_parked + (v_answer ->> 'parked')::INTEGER;
        v_rejected := v_rejected + (v_answer ->> 'rejected')::INTEGER;
        v_busy := v_busy + (v_answer ->> 'busy')::INTEGER;
    END LOOP;
    RETURN json_build_object('commands', v_commands, 'parked', v_parked, 'rejected', v_rejected, 'busy', v_busy,
                             'lone', v_lone, 'dry', FALSE, 'last', 0, 'look_us', 0, 'due_ms', NULL);
END
$$;
COMMENT ON FUNCTION commandbus.receive_one_by_one(TEXT, INTEGER, INTEGER, UUID, BIGINT[]) IS
    'As receive_commands, for a batch that the server refused for what is in it: each message alone, and the culprit is '
    'parked, or rejected where its command cannot be changed at all. An error where the moment is to blame';

CREATE OR REPLACE FUNCTION commandbus.receive_suspect(
    p_domain TEXT, p_msg_id BIGINT, p_lease_s INTEGER, p_worker UUID
) RETURNS JSONB
LANGUAGE plpgsql AS $$
DECLARE
    v_code TEXT;
    v_error TEXT;
    v_parked BOOLEAN;
BEGIN
    -- It is to blame where it is refused between two tries that succeed with messages known to be good.
    FOR v_try IN 1..2 LOOP
        BEGIN
            RETURN commandbus.receive_commands(p_domain, 1, p_lease_s, p_msg_id - 1, p_msg_id, p_worker);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR plpgsql_error OR raise_exception
                       OR program_limit_exceeded OR out_of_memory OR internal_error
                       OR syntax_error_or_access_rule_violation THEN
            v_code := SQLSTATE;
            v_error := SQLERRM;
        END;
        PERFORM commandbus.try_engine(p_domain);
    END LOOP;
    v_parked := commandbus.park_culprit(p_domain, p_msg_id, v_code, v_error);
    RETURN jsonb_build_object('commands', '[]'::JSONB, 'lone', '[]'::JSONB, 'parked', v_parked::INTEGER,
                              'rejected', (NOT v_parked)::INTEGER, 'busy', 0);
END
$$;
COMMENT ON FUNCTION commandbus.receive_suspect(TEXT, BIGINT, INTEGER, UUID) IS
    'Part of receive_one_by_one: receives one message as receive_commands does, or blames it';

CREATE OR REPLACE FUNCTION commandbus.park_culprit(p_domain TEXT, p_msg_id BIGINT, p_code TEXT, p_error TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_message JSONB;
    v_why TEXT := format('It cannot be received: %s', left(p_error, 900));
    v_batch_id UUID;
BEGIN
    EXECUTE format('SELECT message FROM pgmq.%I WHERE msg_id = $1', 'q_' || v_queue) INTO v_message USING p_msg_id;
    BEGIN
        WITH parked AS (
            UPDATE commandbus.command
            SET attempts = attempts + 1, status = 'IN_TROUBLESHOOTING_QUEUE', last_error_type = 'PERMANENT',
                last_error_code = p_code, last_error_msg = v_why, updated_at = clock_timestamp()
            WHERE domain = p_domain AND command_id = commandbus.command_id_of(v_message) AND msg_id = p_msg_id
            RETURNING command_id, attempts, max_attempts, batch_id
        ), audited AS (
            INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
            SELECT p_domain, command_id, e.event_type, jsonb_build_object(
                'msg_id', p_msg_id, 'attempt', attempts, 'max_attempts', max_attempts) || e.details
            FROM parked CROSS JOIN (VALUES
                (1, 'RECEIVED', '{}'::JSONB),
                (2, 'MOVED_TO_TSQ', jsonb_build_object('error_type', 'PERMANENT', 'error_code', p_code,
                                                       'error_msg', v_why, 'reason', 'NOT_RECEIVABLE'))
            ) AS e (place, event_type, details) ORDER BY e.place
        )
        SELECT batch_id INTO STRICT v_batch_id FROM parked;
        IF v_batch_id IS NOT NULL THEN
            PERFORM commandbus.count_batch(p_domain, v_batch_id, 0, 0, 0, 1);
        END IF;
        PERFORM pgmq.archive(v_queue, p_msg_id);
        RETURN TRUE;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR plpgsql_error OR raise_exception
                   OR program_limit_exceeded OR out_of_memory OR internal_error
                   OR syntax_error_or_access_rule_violation OR no_data_found THEN
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        VALUES (p_domain, '00000000-0000-0000-0000-000000000000', 'MESSAGE_REJECTED', jsonb_build_object(
            'msg_id', p_msg_id, 'message', left(v_message::TEXT, 1024), 'reason', v_why));
        PERFORM pgmq.archive(v_queue, p_msg_id);
        RETURN FALSE;
    END;
END
$$;
COMMENT ON FUNCTION commandbus.park_culprit(TEXT, BIGINT, TEXT, TEXT) IS
    'Part of receive_one_by_one: parks the command of a message that makes the server refuse (true), or rejects the '
    'message where its command cannot be changed either (false)';

