-- What the library's own classes call, and what engine native and operators share with them: command ids in messages, the
-- troubleshooting queue, batches.

CREATE OR REPLACE FUNCTION commandbus.command_id_of(p_message JSONB) RETURNS UUID
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- In three cheap steps: one regular expression for the whole form was a tenth of what a receive costs.
    SELECT CASE WHEN p_message ->> 'command_id' LIKE '________-____-____-____-____________'
                 AND length(replace(p_message ->> 'command_id', '-', '')) = 32
                 AND p_message ->> 'command_id' !~ '[^-0-9a-fA-F]'
                THEN (p_message ->> 'command_id')::UUID END
$$;
COMMENT ON FUNCTION commandbus.command_id_of(JSONB) IS 'The command that a message names; null where it names none';

-- ---------------------------------------------------------------------------------------- the troubleshooting queue

CREATE OR REPLACE FUNCTION commandbus.keep_parked() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'IN_TROUBLESHOOTING_QUEUE' THEN
        -- LIMIT 1: for an equality alone the planner may read the whole table.
        INSERT INTO commandbus.parked (domain, command_id, msg_id, attempts, error_type, error_code, behavior)
        VALUES (NEW.domain, NEW.command_id, NEW.msg_id, NEW.attempts, coalesce(left(NEW.last_error_type, 100), ''),
                coalesce(left(NEW.last_error_code, 100), ''), coalesce((
                    SELECT left(behavior ->> 'type', 100) FROM public.test_command
                    WHERE command_id = NEW.command_id LIMIT 1), ''))
        ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM commandbus.parked WHERE domain = NEW.domain AND command_id = NEW.command_id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION commandbus.keep_parked() IS 'Keeps commandbus.parked equal to the commands in the troubleshooting queue, whichever statement changes them';

CREATE OR REPLACE TRIGGER command_keep_parked AFTER UPDATE ON commandbus.command
    FOR EACH ROW WHEN ((NEW.status = 'IN_TROUBLESHOOTING_QUEUE') <> (OLD.status = 'IN_TROUBLESHOOTING_QUEUE'))
    EXECUTE FUNCTION commandbus.keep_parked();

-- ---------------------------------------------------------------------------------------------------------- batches

CREATE OR REPLACE FUNCTION commandbus.count_batch(
    p_domain TEXT, p_batch_id UUID,
    p_completed INTEGER, p_failed INTEGER, p_canceled INTEGER, p_in_troubleshooting INTEGER
) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    b commandbus.batch;
BEGIN
    UPDATE commandbus.batch
    SET completed_count = completed_count + p_completed,
        failed_count = failed_count + p_failed,
        canceled_count = canceled_count + p_canceled,
        in_troubleshooting_count = in_troubleshooting_count + p_in_troubleshooting
    WHERE domain = p_domain AND batch_id = p_batch_id
    RETURNING * INTO b;
    RETURN FOUND AND commandbus.end_batch(b);
END
$$;
COMMENT ON FUNCTION commandbus.count_batch(TEXT, UUID, INTEGER, INTEGER, INTEGER, INTEGER) IS
    'Adds to a batch''s counters; true when that made it complete';

CREATE OR REPLACE FUNCTION commandbus.end_batch(p_batch commandbus.batch) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    IF p_batch.completed_at IS NOT NULL OR p_batch.total_count = 0 OR p_batch.in_troubleshooting_count > 0
        OR p_batch.completed_count + p_batch.failed_count + p_batch.canceled_count < p_batch.total_count THEN
        RETURN FALSE;
    END IF;
    UPDATE commandbus.batch
    SET status = CASE WHEN p_batch.failed_count + p_batch.canceled_count > 0
                      THEN 'COMPLETED_WITH_FAILURES' ELSE 'COMPLETED' END,
        completed_at = clock_timestamp()
    WHERE domain = p_batch.domain AND batch_id = p_batch.batch_id;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_batch.domain, p_batch.batch_id, 'BATCH_COMPLETED', jsonb_build_object(
        'batch_id', p_batch.batch_id, 'total_count', p_batch.total_count, 'completed_count', p_batch.completed_count,
        'failed_count', p_batch.failed_count, 'canceled_count', p_batch.canceled_count));
    RETURN TRUE;
END
$$;
COMMENT ON FUNCTION commandbus.end_batch(commandbus.batch) IS
    'Ends a batch whose members are all final and none of them parked; true if it did';

CREATE OR REPLACE FUNCTION commandbus.sp_start_batch(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE commandbus.batch SET status = 'IN_PROGRESS', started_at = clock_timestamp()
    WHERE domain = p_domain AND batch_id = p_batch_id AND status = 'PENDING';
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, p_batch_id, 'BATCH_STARTED', jsonb_build_object('batch_id', p_batch_id));
    RETURN TRUE;
END
$$;
COMMENT ON FUNCTION commandbus.sp_start_batch(TEXT, UUID) IS 'Marks a batch as begun when its first member is received';

CREATE OR REPLACE FUNCTION commandbus.sp_tsq_complete(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT commandbus.count_batch(p_domain, p_batch_id, 1, 0, 0, -1)';
COMMENT ON FUNCTION commandbus.sp_tsq_complete(TEXT, UUID) IS 'Counts a parked member that an operator completed';

CREATE OR REPLACE FUNCTION commandbus.sp_tsq_cancel(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT commandbus.count_batch(p_domain, p_batch_id, 0, 0, 1, -1)';
COMMENT ON FUNCTION commandbus.sp_tsq_cancel(TEXT, UUID) IS 'Counts a parked member that an operator canceled';

CREATE OR REPLACE FUNCTION commandbus.sp_tsq_retry(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT commandbus.count_batch(p_domain, p_batch_id, 0, 0, 0, -1)';
COMMENT ON FUNCTION commandbus.sp_tsq_retry(TEXT, UUID) IS 'Counts a parked member that an operator sent again';

CREATE OR REPLACE FUNCTION commandbus.sp_refresh_batch_stats(p_domain TEXT, p_batch_id UUID)
RETURNS TABLE (completed INTEGER, canceled INTEGER, in_troubleshooting INTEGER, is_complete BOOLEAN)
LANGUAGE plpgsql AS $$
DECLARE
    b commandbus.batch;
    v_completed INTEGER;
    v_failed INTEGER;
    v_canceled INTEGER;
    v_parked INTEGER;
BEGIN
    SELECT * INTO b FROM commandbus.batch WHERE domain = p_domain AND batch_id = p_batch_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*) FILTER (WHERE m.status = 'COMPLETED'),
           count(*) FILTER (WHERE m.status = 'FAILED'),
           count(*) FILTER (WHERE m.status IN ('CANCELED', 'COMPENSATED')),
           count(*) FILTER (WHERE m.status IN ('IN_TROUBLESHOOTING_QUEUE', 'WAITING_FOR_TSQ'))
    INTO v_completed, v_failed, v_canceled, v_parked
    FROM (
        SELECT c.status FROM commandbus.command c
        WHERE b.batch_type <> 'PROCESS' AND c.domain = p_domain AND c.batch_id = p_batch_id
        UNION ALL
        SELECT p.status FROM commandbus.process p
        WHERE b.batch_type = 'PROCESS' AND p.domain = p_domain AND p.batch_id = p_batch_id
    ) m;
    UPDATE commandbus.batch
    SET completed_count = v_completed, failed_count = v_failed, canceled_count = v_canceled,
        in_troubleshooting_count = v_parked
    WHERE domain = p_domain AND batch_id = p_batch_id
    RETURNING * INTO b;
    RETURN QUERY SELECT v_completed, v_canceled, v_parked, commandbus.end_batch(b) OR b.completed_at IS NOT NULL;
END
$$;
COMMENT ON FUNCTION commandbus.sp_refresh_batch_stats(TEXT, UUID) IS
    'Counts a batch''s members anew, without regard to its counters, and ends it if all are final';

-- ---------------------------------------------------------------------------------- called by the library's classes
-- They behave as reliable-cmd 0.2.2 expects, its known deviations included (docs/promises.md lists them).

CREATE OR REPLACE FUNCTION commandbus.sp_receive_command(
    p_domain TEXT, p_command_id UUID, p_new_status TEXT DEFAULT 'IN_PROGRESS',
    p_msg_id BIGINT DEFAULT NULL, p_max_attempts INTEGER DEFAULT NULL
) RETURNS TABLE (
    domain TEXT, command_id UUID, command_type TEXT, status TEXT, attempts INTEGER, max_attempts INTEGER,
    msg_id BIGINT, correlation_id UUID, reply_queue TEXT, last_error_type TEXT, last_error_code TEXT,
    last_error_msg TEXT, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ, batch_id UUID
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    c commandbus.command;
BEGIN
    UPDATE commandbus.command
    SET attempts = attempts + 1, status = p_new_status, updated_at = clock_timestamp()
    WHERE domain = p_domain AND command_id = p_command_id AND status NOT IN ('COMPLETED', 'CANCELED')
    RETURNING * INTO c;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    c.msg_id := coalesce(p_msg_id, c.msg_id);
    c.max_attempts := coalesce(p_max_attempts, c.max_attempts);
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, p_command_id, 'RECEIVED', jsonb_build_object(
        'msg_id', c.msg_id, 'attempt', c.attempts, 'max_attempts', c.max_attempts));
    IF c.batch_id IS NOT NULL THEN
        PERFORM commandbus.sp_start_batch(p_domain, c.batch_id);
    END IF;
    RETURN QUERY SELECT c.domain, c.command_id, c.command_type, c.status, c.attempts, c.max_attempts, c.msg_id,
        c.correlation_id, c.reply_queue, c.last_error_type, c.last_error_code, c.last_error_msg, c.created_at,
        c.updated_at, c.batch_id;
END
$$;
COMMENT ON FUNCTION commandbus.sp_receive_command(TEXT, UUID, TEXT, BIGINT, INTEGER) IS
    'For the library''s worker: begins an attempt; no row if the command is unknown, COMPLETED or CANCELED';

CREATE OR REPLACE FUNCTION commandbus.sp_finish_command(
    p_domain TEXT, p_command_id UUID, p_status TEXT, p_event_type TEXT, p_error_type TEXT DEFAULT NULL,
    p_error_code TEXT DEFAULT NULL, p_error_msg TEXT DEFAULT NULL, p_details JSONB DEFAULT NULL,
    p_batch_id UUID DEFAULT NULL
) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    v_before TEXT;
BEGIN
    SELECT status INTO v_before FROM commandbus.command
    WHERE domain = p_domain AND command_id = p_command_id FOR UPDATE;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, p_command_id, p_event_type, p_details);
    IF v_before IS NULL OR v_before = p_status THEN
        RETURN FALSE;
    END IF;
    UPDATE commandbus.command
    SET status = p_status,
        last_error_type = coalesce(p_error_type, last_error_type),
        last_error_code = coalesce(p_error_code, last_error_code),
        last_error_msg = coalesce(p_error_msg, last_error_msg),
        updated_at = clock_timestamp()
    WHERE domain = p_domain AND command_id = p_command_id;
    IF p_batch_id IS NULL THEN
        RETURN FALSE;
    END IF;
    RETURN commandbus.count_batch(p_domain, p_batch_id,
        (p_status = 'COMPLETED')::INTEGER - (v_before = 'COMPLETED')::INTEGER,
        (p_status = 'FAILED')::INTEGER - (v_before = 'FAILED')::INTEGER,
        (p_status = 'CANCELED')::INTEGER - (v_before = 'CANCELED')::INTEGER,
        (p_status = 'IN_TROUBLESHOOTING_QUEUE')::INTEGER - (v_before = 'IN_TROUBLESHOOTING_QUEUE')::INTEGER);
END
$$;
COMMENT ON FUNCTION commandbus.sp_finish_command(TEXT, UUID, TEXT, TEXT, TEXT, TEXT, TEXT, JSONB, UUID) IS
    'For the library''s worker: writes an end, unfenced; true if that completed the batch';

CREATE OR REPLACE FUNCTION commandbus.sp_fail_command(
    p_domain TEXT, p_command_id UUID, p_error_type TEXT, p_error_code TEXT, p_error_msg TEXT,
    p_attempt INTEGER, p_max_attempts INTEGER, p_msg_id BIGINT
) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE commandbus.command
    SET last_error_type = p_error_type, last_error_code = p_error_code, last_error_msg = p_error_msg,
        updated_at = clock_timestamp()
    WHERE domain = p_domain AND command_id = p_command_id;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, p_command_id, 'FAILED', jsonb_build_object(
        'msg_id', p_msg_id, 'attempt', p_attempt, 'max_attempts', p_max_attempts, 'error_type', p_error_type,
        'error_code', p_error_code, 'error_msg', p_error_msg));
    RETURN TRUE;
END
$$;
COMMENT ON FUNCTION commandbus.sp_fail_command(TEXT, UUID, TEXT, TEXT, TEXT, INTEGER, INTEGER, BIGINT) IS
    'For the library''s worker: writes a failure that will be retried';
