-- What an operator does with a parked command: send it again, cancel it, or complete it by hand. Each locks the command's
-- row first and touches no live queue row.

CREATE OR REPLACE FUNCTION commandbus.lock_parked(p_domain TEXT, p_command_id UUID) RETURNS commandbus.command
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
    RETURN c;
END
$$;
COMMENT ON FUNCTION commandbus.lock_parked(TEXT, UUID) IS
    'Part of operator_*: locks a parked command; error P0002 if it is unknown, 55000 if it is not parked';

CREATE OR REPLACE FUNCTION commandbus.operator_retry(p_domain TEXT, p_command_id UUID, p_operator TEXT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
    c commandbus.command := commandbus.lock_parked(p_domain, p_command_id);
    v_message JSONB;
    v_msg_id BIGINT;
BEGIN
    EXECUTE format('SELECT message FROM pgmq.%I WHERE msg_id = $1', 'a_' || c.queue_name)
        INTO v_message USING c.msg_id;
    IF v_message IS NULL THEN
        RAISE EXCEPTION 'the message of command % is no longer in the archive', p_command_id USING ERRCODE = '55000';
    END IF;
    SELECT pgmq.send(c.queue_name, v_message, 0) INTO v_msg_id;
    PERFORM pg_notify('pgmq_notify_' || c.queue_name, '');
    UPDATE commandbus.command
    SET status = 'PENDING', attempts = 0, msg_id = v_msg_id, last_error_type = NULL, last_error_code = NULL,
        last_error_msg = NULL, updated_at = clock_timestamp()
    WHERE domain = p_domain AND command_id = p_command_id;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, p_command_id, 'OPERATOR_RETRY', jsonb_build_object('operator', p_operator, 'new_msg_id', v_msg_id));
    IF c.batch_id IS NOT NULL THEN
        PERFORM commandbus.sp_tsq_retry(p_domain, c.batch_id);
    END IF;
    RETURN v_msg_id;
END
$$;
COMMENT ON FUNCTION commandbus.operator_retry(TEXT, UUID, TEXT) IS
    'Sends a parked command again, attempts counted from 0; answers the new message. Errors as lock_parked, and 55000 '
    'where the archive no longer has its message';

CREATE OR REPLACE FUNCTION commandbus.end_parked(
    c commandbus.command, p_status TEXT, p_event_type TEXT, p_details JSONB, p_reply JSONB
) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE commandbus.command SET status = p_status, updated_at = clock_timestamp()
    WHERE domain = c.domain AND command_id = c.command_id;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (c.domain, c.command_id, p_event_type, p_details || jsonb_build_object('reply_to', nullif(c.reply_queue, '')));
    IF c.reply_queue <> '' THEN
        PERFORM pgmq.send(c.reply_queue, jsonb_build_object(
            'command_id', c.command_id, 'correlation_id', c.correlation_id) || p_reply, 0);
        PERFORM pg_notify('pgmq_notify_' || c.reply_queue, '');
    END IF;
END
$$;
COMMENT ON FUNCTION commandbus.end_parked(commandbus.command, TEXT, TEXT, JSONB, JSONB) IS
    'Part of operator_*: ends a command that lock_parked has locked, with an event and, where one was asked for, a reply';

CREATE OR REPLACE FUNCTION commandbus.operator_cancel(p_domain TEXT, p_command_id UUID, p_reason TEXT, p_operator TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    c commandbus.command := commandbus.lock_parked(p_domain, p_command_id);
BEGIN
    PERFORM commandbus.end_parked(
        c, 'CANCELED', 'OPERATOR_CANCEL', jsonb_build_object('operator', p_operator, 'reason', p_reason),
        jsonb_build_object('outcome', 'CANCELED', 'reason', p_reason));
    IF c.batch_id IS NOT NULL THEN
        PERFORM commandbus.sp_tsq_cancel(p_domain, c.batch_id);
    END IF;
END
$$;
COMMENT ON FUNCTION commandbus.operator_cancel(TEXT, UUID, TEXT, TEXT) IS
    'Cancels a parked command and replies CANCELED. Errors as lock_parked';

CREATE OR REPLACE FUNCTION commandbus.operator_complete(p_domain TEXT, p_command_id UUID, p_result JSONB, p_operator TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    c commandbus.command := commandbus.lock_parked(p_domain, p_command_id);
BEGIN
    UPDATE public.test_command SET result = p_result, processed_at = clock_timestamp() WHERE command_id = p_command_id;
    PERFORM commandbus.end_parked(
        c, 'COMPLETED', 'OPERATOR_COMPLETE', jsonb_build_object('operator', p_operator, 'result_data', p_result),
        jsonb_build_object('outcome', 'SUCCESS', 'result', p_result));
    IF c.batch_id IS NOT NULL THEN
        PERFORM commandbus.sp_tsq_complete(p_domain, c.batch_id);
    END IF;
END
$$;
COMMENT ON FUNCTION commandbus.operator_complete(TEXT, UUID, JSONB, TEXT) IS
    'Completes a parked command by hand and replies SUCCESS with the result. Errors as lock_parked';
