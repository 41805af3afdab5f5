-- Sending many commands at once: rows, messages, metadata and SENT events of a chunk in one statement.

DROP FUNCTION IF EXISTS commandbus.send_commands(TEXT, TEXT, JSONB, INTEGER, TEXT);
CREATE OR REPLACE FUNCTION commandbus.send_commands(
    p_domain TEXT, p_command_type TEXT, p_commands JSONB, p_max_attempts INTEGER, p_reply_queue TEXT DEFAULT '',
    p_correlation_id UUID DEFAULT gen_random_uuid()
) RETURNS INTEGER
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_sent INTEGER;
BEGIN
    -- The numbers of messages and rows are drawn first, in the order of the list; all rows are made from one list, sorted.
    -- It gives one order of locks to all who send, or two who send the same at once would wait for each other: first the
    -- commands, by their ids, then the rows of test_command, by their ids. The count of what was sent makes the second wait
    -- for the whole of the first: parts of one statement run in no order otherwise.
    EXECUTE format(
        'WITH new AS MATERIALIZED (
             SELECT * FROM (
                 SELECT nextval(%L) AS msg_id, nextval(%L) AS row_id, (c ->> 0)::UUID AS command_id, c -> 1 AS behavior,
                        c -> 2 AS payload
                 FROM jsonb_array_elements($3) c OFFSET 0) drawn
             ORDER BY command_id
         ), queued AS (
             INSERT INTO pgmq.%I (msg_id, vt, message) OVERRIDING SYSTEM VALUE
             SELECT msg_id, clock_timestamp(), jsonb_build_object(
                 ''domain'', $1, ''command_type'', $2, ''command_id'', command_id, ''correlation_id'', $7::UUID,
                 ''data'', payload) || CASE WHEN $5 = '''' THEN ''{}'' ELSE jsonb_build_object(''reply_to'', $5) END
             FROM new
         ), sent AS (
             INSERT INTO commandbus.command (domain, queue_name, msg_id, command_id, command_type, status, max_attempts,
                 reply_queue, correlation_id)
             SELECT $1, $6, msg_id, command_id, $2, ''PENDING'', $4, $5, $7 FROM new
             RETURNING TRUE
         ), tested AS (
             INSERT INTO public.test_command (id, command_id, behavior, payload)
             SELECT row_id, command_id, behavior, payload FROM new WHERE (SELECT count(*) FROM sent) > 0
         ), audited AS (
             INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
             SELECT $1, command_id, ''SENT'', jsonb_build_object(
                 ''command_type'', $2, ''correlation_id'', $7::UUID, ''reply_to'', nullif($5, ''''),
                 ''msg_id'', msg_id, ''batch_id'', NULL) FROM new
         )
         SELECT count(*) FROM new',
        pg_get_serial_sequence(format('pgmq.%I', 'q_' || v_queue), 'msg_id'),
        pg_get_serial_sequence('public.test_command', 'id'), 'q_' || v_queue)
    INTO v_sent USING p_domain, p_command_type, p_commands, p_max_attempts, p_reply_queue, v_queue, p_correlation_id;
    PERFORM pg_notify('pgmq_notify_' || v_queue, '');
    RETURN v_sent;
END
$$;
COMMENT ON FUNCTION commandbus.send_commands(TEXT, TEXT, JSONB, INTEGER, TEXT, UUID) IS
    'Sends commands as the library does, all or none, and all with one correlation id: p_commands is an array of '
    '[command_id, behavior, payload]. Answers how many; error 23505 where a command_id is known';
