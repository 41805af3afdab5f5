-- Sending many commands at once: rows, messages, metadata and SENT events of a chunk in one statement.

DROP FUNCTION IF EXISTS commandbus.send_commands(TEXT, TEXT, JSONB, INTEGER, TEXT);
CREATE OR REPLACE FUNCTION commandbus.send_commands(
    p_domain TEXT, p_command_type TEXT, p_commands JSONB, p_max_attempts INTEGER, p_reply_queue TEXT DEFAULT '',
    p_correlation_id UUID DEFAULT gen_random_uuid()
) RETURNS INTEGER
LANGUAGE plpgsql AS $$
DECLARE
    v_sent INTEGER;
BEGIN
    EXECUTE format('SELECT commandbus.%I($1, $2, $3, $4, $5)', 'send_' || p_domain)
    INTO v_sent USING p_commands, p_command_type, p_max_attempts, p_reply_queue, p_correlation_id;
    RETURN v_sent;
END
$$;
COMMENT ON FUNCTION commandbus.send_commands(TEXT, TEXT, JSONB, INTEGER, TEXT, UUID) IS
    'Sends commands as the library does, all or none, and all with one correlation id: p_commands is an array of '
    '[command_id, behavior, payload]. Answers how many; error 23505 where a command_id is known';

-- One plan for all calls: see R__11.
CREATE OR REPLACE FUNCTION commandbus.send_test(
    p_commands JSONB, p_command_type TEXT, p_max_attempts INTEGER, p_reply_queue TEXT, p_correlation_id UUID
) RETURNS INTEGER
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_reply_to JSONB := CASE WHEN p_reply_queue = '' THEN '{}' ELSE jsonb_build_object('reply_to', p_reply_queue) END;
    v_sent INTEGER;
BEGIN
    -- The numbers of messages and rows are drawn first, in the order of the list; all rows are made from one list, sorted.
    -- It gives one order of locks to all who send, or two who send the same at once would wait for each other: first the
    -- commands, by their ids, then the rows of test_command, by their ids. The count of what was sent makes the second wait
    -- for the whole of the first: parts of one statement run in no order otherwise.
    WITH new AS MATERIALIZED (
        SELECT * FROM (
            SELECT nextval('pgmq.q_test__commands_msg_id_seq') AS msg_id, nextval('public.test_command_id_seq') AS row_id,
                   (c ->> 0)::UUID AS command_id, c -> 1 AS behavior, c -> 2 AS payload
            FROM jsonb_array_elements(p_commands) c OFFSET 0) drawn
        ORDER BY command_id
    ), queued AS (
        INSERT INTO pgmq.q_test__commands (msg_id, vt, message) OVERRIDING SYSTEM VALUE
        SELECT msg_id, clock_timestamp(), jsonb_build_object(
            'domain', 'test', 'command_type', p_command_type, 'command_id', command_id,
            'correlation_id', p_correlation_id, 'data', payload) || v_reply_to
        FROM new
    ), sent AS (
        INSERT INTO commandbus.command (domain, queue_name, msg_id, command_id, command_type, status, max_attempts,
            reply_queue, correlation_id)
        SELECT 'test', 'test__commands', msg_id, command_id, p_command_type, 'PENDING', p_max_attempts, p_reply_queue,
               p_correlation_id
        FROM new
        RETURNING TRUE
    ), tested AS (
        INSERT INTO public.test_command (id, command_id, behavior, payload)
        SELECT row_id, command_id, behavior, payload FROM new WHERE (SELECT count(*) FROM sent) > 0
    ), audited AS (
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT 'test', command_id, 'SENT', jsonb_build_object(
            'command_type', p_command_type, 'correlation_id', p_correlation_id,
            'reply_to', nullif(p_reply_queue, ''), 'msg_id', msg_id, 'batch_id', NULL)
        FROM new
    )
    SELECT count(*) INTO v_sent FROM new;
    PERFORM pg_notify('pgmq_notify_test__commands', '');
    RETURN v_sent;
END
$$;

-- A text that changed here reaches all domains (R__11).
UPDATE commandbus.domain SET name = name;
