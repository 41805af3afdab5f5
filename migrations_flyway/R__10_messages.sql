-- What an operator does with messages: replies that are taken are put back, and the message of a command that lost it is
-- sent again. (A reply is taken by pgmq.archive.)

CREATE OR REPLACE FUNCTION commandbus.put_back_messages(p_queue TEXT, p_msg_ids BIGINT[]) RETURNS BIGINT[]
LANGUAGE plpgsql AS $$
DECLARE
    v_new BIGINT[];
BEGIN
    EXECUTE format(
        'WITH gone AS (
             DELETE FROM pgmq.%I WHERE msg_id = ANY ($1) RETURNING msg_id, message, headers
         ), back AS (
             INSERT INTO pgmq.%I (vt, message, headers)
             SELECT clock_timestamp(), message, headers FROM gone ORDER BY msg_id RETURNING msg_id)
         SELECT array_agg(msg_id ORDER BY msg_id) FROM back', 'a_' || p_queue, 'q_' || p_queue)
    INTO v_new USING p_msg_ids;
    IF v_new IS NULL THEN
        RETURN '{}';
    END IF;
    PERFORM pg_notify('pgmq_notify_' || p_queue, '');
    RETURN v_new;
END
$$;
COMMENT ON FUNCTION commandbus.put_back_messages(TEXT, BIGINT[]) IS
    'Moves messages from the archive of a queue into the queue, each under a new number, in the order of the old ones. '
    'Answers the new numbers: not for messages that the archive does not have';

CREATE OR REPLACE FUNCTION commandbus.send_lost_message(p_domain TEXT, p_message JSONB, p_operator TEXT, p_reason TEXT)
RETURNS JSONB
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_id UUID := commandbus.command_id_of(p_message);
    v_command RECORD;
    v_msg_id BIGINT;
BEGIN
    SELECT ctid AS place, status, msg_id INTO v_command FROM commandbus.command
    WHERE domain = p_domain AND command_id = v_id LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('status', NULL);
    END IF;
    EXECUTE format('SELECT msg_id FROM pgmq.%I WHERE msg_id = $1', 'q_' || v_queue) INTO v_msg_id USING v_command.msg_id;
    IF v_msg_id IS NOT NULL OR v_command.status NOT IN ('PENDING', 'IN_PROGRESS') THEN
        RETURN jsonb_build_object('status', v_command.status);
    END IF;
    EXECUTE format('INSERT INTO pgmq.%I (vt, message) VALUES (clock_timestamp(), $1) RETURNING msg_id', 'q_' || v_queue)
    INTO v_msg_id USING p_message;
    UPDATE commandbus.command SET status = 'PENDING', attempts = 0, msg_id = v_msg_id, updated_at = clock_timestamp()
    WHERE ctid = v_command.place;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, v_id, 'OPERATOR_RETRY', jsonb_build_object(
        'operator', p_operator, 'reason', p_reason, 'new_msg_id', v_msg_id));
    PERFORM pg_notify('pgmq_notify_' || v_queue, '');
    RETURN jsonb_build_object('status', v_command.status, 'msg_id', v_msg_id);
END
$$;
COMMENT ON FUNCTION commandbus.send_lost_message(TEXT, JSONB, TEXT, TEXT) IS
    'Sends a message for the command that it names, where that waits for one: it is PENDING or IN_PROGRESS, and its own message '
    'is not in the queue. Attempts are counted from 0, and the event is an operator''s retry. Answers msg_id; without one nothing '
    'was sent, and status says where the command stands (null: there is none)';
