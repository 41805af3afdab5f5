-- The command bus: commands, their audit trail, and the functions that change them.
-- Tables, columns and sp_* functions are those that the Python of reliable-cmd 0.2.2 calls; the functions further
-- down (receive_commands, finish_commands, operator_*) are this site's own and keep the promises of
-- docs/promises.md. Every name is schema-qualified: nothing depends on search_path.

CREATE SCHEMA IF NOT EXISTS commandbus;
COMMENT ON SCHEMA commandbus IS 'The command bus: what reliable-cmd calls, and this site''s own functions beside it';

-- ---------------------------------------------------------------------------------------------------------- tables

CREATE TABLE commandbus.batch (
    domain                   TEXT NOT NULL,
    batch_id                 UUID NOT NULL,
    batch_type               TEXT NOT NULL DEFAULT 'COMMAND',
    name                     TEXT,
    custom_data              JSONB,
    status                   TEXT NOT NULL DEFAULT 'PENDING',
    total_count              INTEGER NOT NULL DEFAULT 0,
    completed_count          INTEGER NOT NULL DEFAULT 0,
    failed_count             INTEGER NOT NULL DEFAULT 0,
    canceled_count           INTEGER NOT NULL DEFAULT 0,
    in_troubleshooting_count INTEGER NOT NULL DEFAULT 0,
    created_at               TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    started_at               TIMESTAMPTZ,
    completed_at             TIMESTAMPTZ,
    PRIMARY KEY (domain, batch_id)
);
COMMENT ON TABLE commandbus.batch IS 'Groups of commands or processes that are counted together';
COMMENT ON COLUMN commandbus.batch.domain IS 'Domain of its commands';
COMMENT ON COLUMN commandbus.batch.batch_id IS 'Identity, chosen by the sender';
COMMENT ON COLUMN commandbus.batch.batch_type IS 'COMMAND or PROCESS';
COMMENT ON COLUMN commandbus.batch.name IS 'Name for people';
COMMENT ON COLUMN commandbus.batch.custom_data IS 'Whatever the sender attached';
COMMENT ON COLUMN commandbus.batch.status IS 'PENDING, IN_PROGRESS, COMPLETED or COMPLETED_WITH_FAILURES';
COMMENT ON COLUMN commandbus.batch.total_count IS 'Members';
COMMENT ON COLUMN commandbus.batch.completed_count IS 'Members that are COMPLETED, as of the last refresh';
COMMENT ON COLUMN commandbus.batch.failed_count IS 'Members that are FAILED, as of the last refresh';
COMMENT ON COLUMN commandbus.batch.canceled_count IS 'Members that are CANCELED, as of the last refresh';
COMMENT ON COLUMN commandbus.batch.in_troubleshooting_count IS 'Members in the troubleshooting queue, as of the last refresh';
COMMENT ON COLUMN commandbus.batch.created_at IS 'When it was made';
COMMENT ON COLUMN commandbus.batch.started_at IS 'When its first member was received';
COMMENT ON COLUMN commandbus.batch.completed_at IS 'When its last member became final';

CREATE TABLE commandbus.command (
    domain           TEXT NOT NULL,
    queue_name       TEXT NOT NULL,
    msg_id           BIGINT,
    command_id       UUID NOT NULL,
    command_type     TEXT NOT NULL,
    status           TEXT NOT NULL CONSTRAINT command_status_known CHECK (status IN (
        'PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'CANCELED', 'IN_TROUBLESHOOTING_QUEUE')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    max_attempts     INTEGER NOT NULL,
    lease_expires_at TIMESTAMPTZ,
    last_error_type  TEXT,
    last_error_code  TEXT,
    last_error_msg   TEXT,
    created_at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    updated_at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    reply_queue      TEXT NOT NULL DEFAULT '',
    correlation_id   UUID,
    batch_id         UUID,
    PRIMARY KEY (domain, command_id)
);
-- No index mentions status or updated_at: each would turn every update of a command into a non-HOT one.
CREATE INDEX ix_command_batch ON commandbus.command (domain, batch_id) WHERE batch_id IS NOT NULL;
COMMENT ON INDEX commandbus.ix_command_batch IS 'Used by sp_refresh_batch_stats: the members of one batch';
COMMENT ON TABLE commandbus.command IS 'One row per command: where it stands now. Its story is in commandbus.audit';
COMMENT ON COLUMN commandbus.command.domain IS 'Domain; its commands wait in the queue <domain>__commands';
COMMENT ON COLUMN commandbus.command.queue_name IS 'The queue that holds its message';
COMMENT ON COLUMN commandbus.command.msg_id IS 'Its current message; an operator''s retry sends a new one';
COMMENT ON COLUMN commandbus.command.command_id IS 'Identity, chosen by the sender; a second send of it is refused';
COMMENT ON COLUMN commandbus.command.command_type IS 'What to do; names the handler';
COMMENT ON COLUMN commandbus.command.status IS 'PENDING, IN_PROGRESS, COMPLETED, FAILED, CANCELED or IN_TROUBLESHOOTING_QUEUE';
COMMENT ON COLUMN commandbus.command.attempts IS 'Attempts begun on the current message';
COMMENT ON COLUMN commandbus.command.max_attempts IS 'Deliveries before it is parked, fixed when it was sent';
COMMENT ON COLUMN commandbus.command.lease_expires_at IS 'Unused by the library and here: the lease is the queue row''s vt';
COMMENT ON COLUMN commandbus.command.last_error_type IS 'TRANSIENT, PERMANENT or BUSINESS_RULE; stays after a later success';
COMMENT ON COLUMN commandbus.command.last_error_code IS 'Code of the last failure that counted';
COMMENT ON COLUMN commandbus.command.last_error_msg IS 'Message of the last failure that counted';
COMMENT ON COLUMN commandbus.command.created_at IS 'When it was sent, by the sender''s clock: measure by commandbus.audit instead';
COMMENT ON COLUMN commandbus.command.updated_at IS 'Last change (server clock)';
COMMENT ON COLUMN commandbus.command.reply_queue IS 'Queue that gets the reply; empty for none';
COMMENT ON COLUMN commandbus.command.correlation_id IS 'Ties commands and replies of one conversation together';
COMMENT ON COLUMN commandbus.command.batch_id IS 'The batch it belongs to, if any';

CREATE TABLE commandbus.audit (
    audit_id     BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    domain       TEXT NOT NULL,
    command_id   UUID NOT NULL,
    event_type   TEXT NOT NULL,
    ts           TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    details_json JSONB
);
CREATE INDEX ix_audit_command_id ON commandbus.audit (command_id, audit_id);
COMMENT ON INDEX commandbus.ix_audit_command_id IS 'Used by a command''s page and by a finish that is sent again: one command''s story, in order';
CREATE INDEX ix_audit_rare ON commandbus.audit (domain, event_type, audit_id)
    WHERE event_type IN ('BUSINESS_RULE_FAILED', 'OPERATOR_CANCEL', 'MESSAGE_REJECTED');
COMMENT ON INDEX commandbus.ix_audit_rare IS 'Used by the dashboard: FAILED, CANCELED and rejected, counted without an index over status';
COMMENT ON TABLE commandbus.audit IS 'Everything that happened to every command; rows are only ever added';
COMMENT ON COLUMN commandbus.audit.audit_id IS 'Order of writing';
COMMENT ON COLUMN commandbus.audit.domain IS 'Domain of the command';
COMMENT ON COLUMN commandbus.audit.command_id IS 'The command; the nil UUID for a rejected message, the batch for BATCH_* events';
COMMENT ON COLUMN commandbus.audit.event_type IS 'What happened (commands/statuses.py lists the words)';
COMMENT ON COLUMN commandbus.audit.ts IS 'When (server clock)';
COMMENT ON COLUMN commandbus.audit.details_json IS 'Particulars: msg_id, attempt, error, operator, …';

CREATE TABLE commandbus.parked (
    domain     TEXT NOT NULL,
    command_id UUID NOT NULL,
    parked_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (domain, command_id)
);
CREATE INDEX ix_parked_parked_at ON commandbus.parked (domain, parked_at DESC, command_id);
COMMENT ON INDEX commandbus.ix_parked_parked_at IS 'Used by the dashboard and the troubleshooting list: newest first';
COMMENT ON TABLE commandbus.parked IS 'The troubleshooting queue: the commands whose status says so, kept by a trigger on commandbus.command';
COMMENT ON COLUMN commandbus.parked.domain IS 'Domain of the command';
COMMENT ON COLUMN commandbus.parked.command_id IS 'The command';
COMMENT ON COLUMN commandbus.parked.parked_at IS 'When it came in (server clock)';

CREATE TABLE commandbus.payload_archive (
    domain       TEXT NOT NULL,
    command_id   UUID NOT NULL,
    payload_json JSONB NOT NULL,
    archived_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (domain, command_id)
);
COMMENT ON TABLE commandbus.payload_archive IS 'Part of the library''s schema; its 0.2.2 never writes it';
COMMENT ON COLUMN commandbus.payload_archive.domain IS 'Domain of the command';
COMMENT ON COLUMN commandbus.payload_archive.command_id IS 'The command';
COMMENT ON COLUMN commandbus.payload_archive.payload_json IS 'Its payload';
COMMENT ON COLUMN commandbus.payload_archive.archived_at IS 'When it was archived';

CREATE TABLE commandbus.process (
    domain        TEXT NOT NULL,
    process_id    UUID NOT NULL,
    process_type  TEXT NOT NULL,
    status        TEXT NOT NULL DEFAULT 'PENDING',
    current_step  TEXT,
    state         JSONB NOT NULL DEFAULT '{}',
    error_code    TEXT,
    error_message TEXT,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    updated_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    completed_at  TIMESTAMPTZ,
    batch_id      UUID,
    PRIMARY KEY (domain, process_id)
);
CREATE INDEX ix_process_status ON commandbus.process (domain, status);
COMMENT ON INDEX commandbus.ix_process_status IS 'Used by the library''s find_by_status';
CREATE INDEX ix_process_batch ON commandbus.process (domain, batch_id) WHERE batch_id IS NOT NULL;
COMMENT ON INDEX commandbus.ix_process_batch IS 'Used by sp_refresh_batch_stats: the processes of one batch';
COMMENT ON TABLE commandbus.process IS 'Multi-step processes of the library''s process manager';
COMMENT ON COLUMN commandbus.process.domain IS 'Domain of its commands';
COMMENT ON COLUMN commandbus.process.process_id IS 'Identity; also the correlation_id of its commands';
COMMENT ON COLUMN commandbus.process.process_type IS 'Names the process manager';
COMMENT ON COLUMN commandbus.process.status IS 'A ProcessStatus of the library';
COMMENT ON COLUMN commandbus.process.current_step IS 'The step under way';
COMMENT ON COLUMN commandbus.process.state IS 'State, as the manager wrote it';
COMMENT ON COLUMN commandbus.process.error_code IS 'Code of the error that ended it';
COMMENT ON COLUMN commandbus.process.error_message IS 'Message of the error that ended it';
COMMENT ON COLUMN commandbus.process.created_at IS 'When it started';
COMMENT ON COLUMN commandbus.process.updated_at IS 'Last change';
COMMENT ON COLUMN commandbus.process.completed_at IS 'When it ended';
COMMENT ON COLUMN commandbus.process.batch_id IS 'The batch it belongs to, if any';

CREATE TABLE commandbus.process_audit (
    audit_id      BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    domain        TEXT NOT NULL,
    process_id    UUID NOT NULL,
    step_name     TEXT NOT NULL,
    command_id    UUID NOT NULL,
    command_type  TEXT NOT NULL,
    command_data  JSONB,
    sent_at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    reply_outcome TEXT,
    reply_data    JSONB,
    received_at   TIMESTAMPTZ
);
CREATE INDEX ix_process_audit_process ON commandbus.process_audit (domain, process_id, sent_at);
COMMENT ON INDEX commandbus.ix_process_audit_process IS 'Used by the library''s process repository: the steps of one process';
COMMENT ON TABLE commandbus.process_audit IS 'Steps of processes: the command sent and the reply that came';
COMMENT ON COLUMN commandbus.process_audit.audit_id IS 'Order of writing';
COMMENT ON COLUMN commandbus.process_audit.domain IS 'Domain of the process';
COMMENT ON COLUMN commandbus.process_audit.process_id IS 'The process';
COMMENT ON COLUMN commandbus.process_audit.step_name IS 'The step';
COMMENT ON COLUMN commandbus.process_audit.command_id IS 'The command sent for it';
COMMENT ON COLUMN commandbus.process_audit.command_type IS 'Its type';
COMMENT ON COLUMN commandbus.process_audit.command_data IS 'Its data';
COMMENT ON COLUMN commandbus.process_audit.sent_at IS 'When it was sent';
COMMENT ON COLUMN commandbus.process_audit.reply_outcome IS 'Outcome of the reply; empty until it comes';
COMMENT ON COLUMN commandbus.process_audit.reply_data IS 'Data of the reply';
COMMENT ON COLUMN commandbus.process_audit.received_at IS 'When the reply came';

-- The names that the story uses.
CREATE VIEW public.command_bus_command AS SELECT * FROM commandbus.command;
COMMENT ON VIEW public.command_bus_command IS 'commandbus.command under the story''s name';
CREATE VIEW public.command_bus_audit AS SELECT * FROM commandbus.audit;
COMMENT ON VIEW public.command_bus_audit IS 'commandbus.audit under the story''s name';

-- ------------------------------------------------------------------------------------- the troubleshooting queue

CREATE FUNCTION commandbus.keep_parked() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'IN_TROUBLESHOOTING_QUEUE' THEN
        INSERT INTO commandbus.parked (domain, command_id) VALUES (NEW.domain, NEW.command_id)
        ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM commandbus.parked WHERE domain = NEW.domain AND command_id = NEW.command_id;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION commandbus.keep_parked() IS 'Keeps commandbus.parked equal to the commands in the troubleshooting queue, whoever changes them';

CREATE TRIGGER command_keep_parked AFTER UPDATE ON commandbus.command
    FOR EACH ROW WHEN ((NEW.status = 'IN_TROUBLESHOOTING_QUEUE') <> (OLD.status = 'IN_TROUBLESHOOTING_QUEUE'))
    EXECUTE FUNCTION commandbus.keep_parked();

-- ------------------------------------------------------------------------------------------------------- batches

CREATE FUNCTION commandbus.count_batch(
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

CREATE FUNCTION commandbus.end_batch(p_batch commandbus.batch) RETURNS BOOLEAN
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

CREATE FUNCTION commandbus.sp_start_batch(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
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

CREATE FUNCTION commandbus.sp_tsq_complete(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT commandbus.count_batch(p_domain, p_batch_id, 1, 0, 0, -1)';
COMMENT ON FUNCTION commandbus.sp_tsq_complete(TEXT, UUID) IS 'Counts a parked member that an operator completed';

CREATE FUNCTION commandbus.sp_tsq_cancel(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT commandbus.count_batch(p_domain, p_batch_id, 0, 0, 1, -1)';
COMMENT ON FUNCTION commandbus.sp_tsq_cancel(TEXT, UUID) IS 'Counts a parked member that an operator canceled';

CREATE FUNCTION commandbus.sp_tsq_retry(p_domain TEXT, p_batch_id UUID) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT commandbus.count_batch(p_domain, p_batch_id, 0, 0, 0, -1)';
COMMENT ON FUNCTION commandbus.sp_tsq_retry(TEXT, UUID) IS 'Counts a parked member that an operator sent again';

CREATE FUNCTION commandbus.sp_refresh_batch_stats(p_domain TEXT, p_batch_id UUID)
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
    'Counts a batch''s members anew, whatever the counters said, and ends it if all are final';

-- ------------------------------------------------------------------ functions that the library's own classes call
-- They behave as reliable-cmd 0.2.2 expects, its known deviations included (docs/promises.md lists them).

CREATE FUNCTION commandbus.sp_receive_command(
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

CREATE FUNCTION commandbus.sp_finish_command(
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

CREATE FUNCTION commandbus.sp_fail_command(
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

-- ---------------------------------------------------------------------------- our functions: engine set, operators
-- Planner settings are part of receive and finish: by default the planner hashes whole tables for a small batch, and
-- as long as nothing is known about a new table it takes a domain for a handful of rows and walks all its commands.
-- So each join leads from the batch to the tables: by LATERAL with LIMIT 1, or by "= ANY" of the batch's ids.

CREATE FUNCTION commandbus.command_id_of(p_message JSONB) RETURNS UUID
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_message ->> 'command_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (p_message ->> 'command_id')::UUID END
$$;
COMMENT ON FUNCTION commandbus.command_id_of(JSONB) IS 'The command that a message names; null where it names none';

CREATE FUNCTION commandbus.receive_commands(p_domain TEXT, p_limit INTEGER, p_lease_s INTEGER) RETURNS JSONB
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_after BIGINT := 0;         -- messages up to here were looked at in this call
    v_msg_ids BIGINT[];          -- one round's candidates, queue rows locked …
    v_ids UUID[];                -- … and the commands that they name (null: none)
    v_locked UUID[];             -- of these, the commands whose rows we got
    v_known UUID[];              -- of these, the commands that exist
    v_begun BIGINT[];
    v_parked BIGINT[];
    v_taken BIGINT[] := '{}';    -- messages of all attempts begun in this call …
    v_taken_ids UUID[] := '{}';  -- … and their commands
    v_parked_all INTEGER := 0;
    v_rejected INTEGER := 0;
    v_busy INTEGER := 0;
    v_dry BOOLEAN := FALSE;
    v_now TIMESTAMPTZ;
    v_due TIMESTAMPTZ;
    v_commands JSONB;
BEGIN
    -- Each round looks at as many messages as are still wanted. Rows that someone else holds are left as they are.
    FOR v_round IN 1..20 LOOP
        EXECUTE format(
            'SELECT array_agg(msg_id), array_agg(command_id), max(msg_id) FROM (
                 SELECT msg_id, commandbus.command_id_of(message) AS command_id FROM pgmq.%I
                 WHERE vt <= clock_timestamp() AND msg_id > $1
                 ORDER BY msg_id LIMIT %s FOR UPDATE SKIP LOCKED) q',
            'q_' || v_queue, p_limit - cardinality(v_taken))
        INTO v_msg_ids, v_ids, v_after USING v_after;
        IF v_msg_ids IS NULL THEN
            v_dry := TRUE;
            EXIT;
        END IF;
        v_dry := cardinality(v_msg_ids) < p_limit - cardinality(v_taken);

        SELECT coalesce(array_agg(command_id), '{}') INTO v_locked FROM (
            SELECT c.command_id FROM commandbus.command c
            WHERE c.domain = p_domain AND c.command_id = ANY (v_ids) FOR UPDATE SKIP LOCKED) l;

        v_begun := commandbus.begin_attempts(p_domain, v_msg_ids, v_ids, v_locked, p_lease_s);
        v_taken := v_taken || v_begun;
        v_taken_ids := v_taken_ids || ARRAY(
            SELECT m.command_id FROM unnest(v_begun) WITH ORDINALITY AS b (msg_id, place)
            JOIN unnest(v_msg_ids, v_ids) AS m (msg_id, command_id) ON m.msg_id = b.msg_id ORDER BY b.place);
        IF cardinality(v_begun) < cardinality(v_msg_ids) THEN
            SELECT coalesce(array_agg(c.command_id), '{}') INTO v_known
            FROM commandbus.command c WHERE c.domain = p_domain AND c.command_id = ANY (v_ids);
            v_parked := commandbus.park_expired(p_domain, v_msg_ids, v_ids, v_locked, v_begun);
            v_parked_all := v_parked_all + cardinality(v_parked);
            v_rejected := v_rejected + commandbus.reject_messages(p_domain, v_msg_ids, v_ids, v_known);
            -- What is left of the locked ones is final or was sent again since: its message is of no more use.
            PERFORM pgmq.archive(v_queue, ARRAY(
                SELECT m.msg_id FROM unnest(v_msg_ids, v_ids) AS m (msg_id, command_id)
                WHERE m.command_id = ANY (v_locked) AND m.msg_id <> ALL (v_begun || v_parked)));
            v_busy := v_busy + (SELECT count(*) FROM unnest(v_ids) AS m (command_id)
                                WHERE m.command_id = ANY (v_known) AND m.command_id <> ALL (v_locked));
        END IF;
        EXIT WHEN v_dry OR cardinality(v_taken) >= p_limit;
    END LOOP;

    IF v_dry THEN
        v_now := clock_timestamp();
        EXECUTE format('SELECT min(vt) FROM pgmq.%I WHERE vt > $1', 'q_' || v_queue) INTO v_due USING v_now;
    END IF;
    IF v_taken <> '{}' THEN
        EXECUTE format(
            'SELECT jsonb_agg(jsonb_build_array(m.msg_id, c.command_id, c.command_type,
                        coalesce(q.message -> ''data'', ''{}''), c.correlation_id, nullif(c.reply_queue, ''''),
                        c.created_at, c.attempts, c.max_attempts, t.attempts, t.behavior) ORDER BY m.msg_id)
             FROM unnest($2, $3) AS m (msg_id, command_id)
             CROSS JOIN LATERAL (SELECT message FROM pgmq.%I WHERE msg_id = m.msg_id LIMIT 1) q
             CROSS JOIN LATERAL (SELECT * FROM commandbus.command
                                 WHERE domain = $1 AND command_id = m.command_id LIMIT 1) c
             LEFT JOIN LATERAL (SELECT attempts, behavior FROM public.test_command
                                WHERE command_id = m.command_id LIMIT 1) t ON TRUE', 'q_' || v_queue)
        INTO v_commands USING p_domain, v_taken, v_taken_ids;
    END IF;
    RETURN jsonb_build_object(
        'commands', coalesce(v_commands, '[]'), 'parked', v_parked_all, 'rejected', v_rejected, 'busy', v_busy,
        'dry', v_dry, 'due_ms', CASE WHEN v_due IS NOT NULL
            THEN greatest(0, ceil(extract(epoch FROM v_due - clock_timestamp()) * 1000)) END);
END
$$;
COMMENT ON FUNCTION commandbus.receive_commands(TEXT, INTEGER, INTEGER) IS
    'Takes up to p_limit visible messages of a domain for p_lease_s seconds and begins their attempts. Answers commands '
    '(arrays: msg_id, command_id, command_type, data, correlation_id, reply_to, created_at, attempt, max_attempts, '
    'attempts over its life, behavior), how many were parked, rejected or busy, whether no visible message was left '
    '(dry), and then the milliseconds until the next one becomes visible (due_ms)';

CREATE FUNCTION commandbus.begin_attempts(
    p_domain TEXT, p_msg_ids BIGINT[], p_ids UUID[], p_locked UUID[], p_lease_s INTEGER
) RETURNS BIGINT[]
LANGUAGE plpgsql AS $$
DECLARE
    v_msg_ids BIGINT[];
    v_ids UUID[];
    v_batch UUID;
    v_batches UUID[];
BEGIN
    WITH begun AS (
        UPDATE commandbus.command c
        SET attempts = c.attempts + 1, status = 'IN_PROGRESS', updated_at = clock_timestamp()
        FROM unnest(p_msg_ids, p_ids) AS m (msg_id, command_id)
        WHERE c.domain = p_domain AND c.command_id = m.command_id AND c.command_id = ANY (p_locked)
          AND c.msg_id = m.msg_id AND c.status IN ('PENDING', 'IN_PROGRESS') AND c.attempts < c.max_attempts
        RETURNING c.command_id, c.msg_id, c.attempts, c.max_attempts, c.batch_id
    ), audited AS (
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT p_domain, command_id, 'RECEIVED', jsonb_build_object(
            'msg_id', msg_id, 'attempt', attempts, 'max_attempts', max_attempts)
        FROM begun
    )
    SELECT coalesce(array_agg(msg_id), '{}'), array_agg(command_id),
           array_agg(DISTINCT batch_id) FILTER (WHERE batch_id IS NOT NULL)
    INTO v_msg_ids, v_ids, v_batches FROM begun;

    -- vt alone is the lease; read_ct is kept true for whoever looks at the queue.
    EXECUTE format('UPDATE pgmq.%I SET vt = clock_timestamp() + make_interval(secs => $2), read_ct = read_ct + 1
                    WHERE msg_id = ANY ($1)', 'q_' || p_domain || '__commands') USING v_msg_ids, p_lease_s;
    UPDATE public.test_command SET attempts = attempts + 1 WHERE command_id = ANY (v_ids);
    FOREACH v_batch IN ARRAY coalesce(v_batches, '{}') LOOP
        PERFORM commandbus.sp_start_batch(p_domain, v_batch);
    END LOOP;
    RETURN v_msg_ids;
END
$$;
COMMENT ON FUNCTION commandbus.begin_attempts(TEXT, BIGINT[], UUID[], UUID[], INTEGER) IS
    'Part of receive_commands: counts and leases the attempts that may begin; answers their messages';

CREATE FUNCTION commandbus.park_expired(
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

CREATE FUNCTION commandbus.reject_messages(p_domain TEXT, p_msg_ids BIGINT[], p_ids UUID[], p_known UUID[])
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

CREATE TYPE commandbus.outcome AS (
    command_id    UUID,
    msg_id        BIGINT,
    attempt       INTEGER,
    kind          TEXT,
    result        JSONB,
    error_code    TEXT,
    error_msg     TEXT,
    error_details JSONB,
    delay_ms      BIGINT,
    again         BOOLEAN
);
COMMENT ON TYPE commandbus.outcome IS
    'How one attempt ended: kind is success, transient, permanent or business_rule; delay_ms is the backoff of a '
    'transient failure; again says that this very end was sent before and its answer was lost';

CREATE FUNCTION commandbus.finish_commands(p_domain TEXT, p_outcomes JSONB) RETURNS JSONB
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_outcomes commandbus.outcome[] := ARRAY(
        SELECT o FROM jsonb_populate_recordset(NULL::commandbus.outcome, p_outcomes) o);
    v_ids UUID[] := ARRAY(SELECT o.command_id FROM unnest(v_outcomes) o);
    v_locked UUID[];
    v_busy UUID[];
    v_before JSONB := '{}';     -- ends that were written by an earlier call: command -> its event
    v_counts commandbus.outcome[];
    v_late UUID[];
    v_accepted JSONB;
BEGIN
    IF EXISTS (SELECT FROM unnest(v_outcomes) o WHERE o.command_id IS NULL OR o.msg_id IS NULL OR o.attempt IS NULL
               OR o.kind IS NULL OR o.kind NOT IN ('success', 'transient', 'permanent', 'business_rule')) THEN
        RAISE EXCEPTION 'an outcome needs command_id, msg_id, attempt and a known kind' USING ERRCODE = '22023';
    END IF;
    IF (SELECT count(DISTINCT id) FROM unnest(v_ids) id) < cardinality(v_ids) THEN
        RAISE EXCEPTION 'at most one outcome per command in one call' USING ERRCODE = '22023';
    END IF;

    -- Locks, in the order that receive_commands uses too: queue rows by msg_id, then command rows.
    EXECUTE format('SELECT count(*) FROM (SELECT FROM pgmq.%I WHERE msg_id = ANY ($1) ORDER BY msg_id FOR UPDATE) q',
                   'q_' || p_domain || '__commands') USING ARRAY(SELECT o.msg_id FROM unnest(v_outcomes) o);
    SELECT coalesce(array_agg(command_id), '{}') INTO v_locked FROM (
        SELECT c.command_id FROM commandbus.command c
        WHERE c.domain = p_domain AND c.command_id = ANY (v_ids) FOR UPDATE SKIP LOCKED) l;
    SELECT coalesce(array_agg(c.command_id), '{}') INTO v_busy FROM commandbus.command c
    WHERE c.domain = p_domain AND c.command_id = ANY (v_ids) AND c.command_id <> ALL (v_locked);

    -- An attempt ends once: what was sent before is looked up under the locks, in a statement of its own.
    IF EXISTS (SELECT FROM unnest(v_outcomes) o WHERE o.again) THEN
        SELECT coalesce(jsonb_object_agg(o.command_id, a.event_type), '{}') INTO v_before
        FROM unnest(v_outcomes) o JOIN commandbus.audit a ON a.command_id = o.command_id
        WHERE o.again AND a.command_id = ANY (v_locked) AND a.domain = p_domain
          AND a.event_type IN ('COMPLETED', 'FAILED', 'MOVED_TO_TSQ', 'BUSINESS_RULE_FAILED', 'LATE_COMPLETED', 'LATE_FAILED')
          AND (a.details_json ->> 'msg_id')::BIGINT = o.msg_id AND (a.details_json ->> 'attempt')::INTEGER = o.attempt
          AND a.details_json ->> 'reason' IS DISTINCT FROM 'LEASE_EXPIRED';
    END IF;

    -- The fence: a success of any attempt of the current message counts, a failure only of the current attempt.
    v_counts := ARRAY(
        SELECT o FROM unnest(v_outcomes) o
        CROSS JOIN LATERAL (SELECT * FROM commandbus.command
                            WHERE domain = p_domain AND command_id = o.command_id LIMIT 1) c
        WHERE o.command_id = ANY (v_locked) AND NOT v_before ? o.command_id::TEXT
          AND c.status IN ('PENDING', 'IN_PROGRESS') AND c.msg_id = o.msg_id
          AND (o.kind = 'success' OR c.attempts = o.attempt));
    WITH late AS (
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT p_domain, o.command_id, CASE o.kind WHEN 'success' THEN 'LATE_COMPLETED' ELSE 'LATE_FAILED' END,
               jsonb_strip_nulls(jsonb_build_object(
                   'msg_id', o.msg_id, 'attempt', o.attempt, 'error_code', o.error_code, 'error_msg', o.error_msg))
        FROM unnest(v_outcomes) o
        WHERE o.command_id = ANY (v_locked) AND NOT v_before ? o.command_id::TEXT
          AND o.command_id <> ALL (ARRAY(SELECT k.command_id FROM unnest(v_counts) k))
        RETURNING command_id
    )
    SELECT coalesce(array_agg(command_id), '{}') INTO v_late FROM late;

    v_accepted := commandbus.write_ends(p_domain, v_counts);
    RETURN jsonb_build_object('accepted', v_accepted, 'late', to_jsonb(v_late), 'busy', to_jsonb(v_busy), 'before', v_before);
END
$$;
COMMENT ON FUNCTION commandbus.finish_commands(TEXT, JSONB) IS
    'Writes how attempts ended, at most one per command. p_outcomes: array of commandbus.outcome as objects. Answers '
    'accepted (command -> its status now), late (nothing changed, one LATE_* event), busy (someone else holds the '
    'command''s row: send it again) and before (again: command -> the event that its earlier call wrote)';

CREATE FUNCTION commandbus.write_ends(p_domain TEXT, p_outcomes commandbus.outcome[]) RETURNS JSONB
LANGUAGE plpgsql AS $$
DECLARE
    v_queue TEXT := p_domain || '__commands';
    v_ids UUID[] := ARRAY(SELECT o.command_id FROM unnest(p_outcomes) o);
    v_accepted JSONB;
    v_delete BIGINT[];
    v_archive BIGINT[];
    v_retry BIGINT[];
    v_delays BIGINT[];
    v_with_reply UUID[];
    v_in_batch UUID[];
BEGIN
    WITH ended AS (
        UPDATE commandbus.command c
        SET status = CASE
                WHEN o.kind = 'success' THEN 'COMPLETED'
                WHEN o.kind = 'business_rule' THEN 'FAILED'
                WHEN o.kind = 'transient' AND c.attempts < c.max_attempts THEN 'IN_PROGRESS'
                ELSE 'IN_TROUBLESHOOTING_QUEUE' END,
            last_error_type = CASE WHEN o.kind = 'success' THEN c.last_error_type ELSE upper(o.kind) END,
            last_error_code = CASE WHEN o.kind = 'success' THEN c.last_error_code ELSE o.error_code END,
            last_error_msg = CASE WHEN o.kind = 'success' THEN c.last_error_msg ELSE o.error_msg END,
            updated_at = clock_timestamp()
        FROM unnest(p_outcomes) o
        WHERE c.domain = p_domain AND c.command_id = o.command_id AND c.command_id = ANY (v_ids)
        RETURNING c.command_id, c.msg_id, c.status, c.max_attempts, c.reply_queue, c.batch_id, o.attempt, o.kind,
                  o.result, o.error_code, o.error_msg, o.error_details, o.delay_ms
    ), audited AS (
        INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
        SELECT p_domain, e.command_id,
            CASE e.status WHEN 'COMPLETED' THEN 'COMPLETED' WHEN 'FAILED' THEN 'BUSINESS_RULE_FAILED'
                          WHEN 'IN_PROGRESS' THEN 'FAILED' ELSE 'MOVED_TO_TSQ' END,
            jsonb_build_object('msg_id', e.msg_id, 'attempt', e.attempt)
            || CASE
                WHEN e.kind = 'success' THEN jsonb_build_object(
                    'reply_to', nullif(e.reply_queue, ''), 'has_result', e.result IS NOT NULL)
                ELSE jsonb_build_object('error_code', e.error_code, 'error_msg', e.error_msg) END
            || CASE
                WHEN e.status = 'IN_PROGRESS' THEN jsonb_build_object(
                    'max_attempts', e.max_attempts, 'error_type', 'TRANSIENT', 'delay_ms', coalesce(e.delay_ms, 0))
                WHEN e.kind = 'transient' THEN jsonb_build_object(
                    'max_attempts', e.max_attempts, 'error_type', 'TRANSIENT', 'reason', 'EXHAUSTED')
                WHEN e.kind = 'success' THEN '{}'
                ELSE jsonb_build_object('error_details', e.error_details) END
        FROM ended e
    ), tested AS (
        UPDATE public.test_command t SET result = e.result, processed_at = clock_timestamp()
        FROM ended e WHERE t.command_id = e.command_id AND t.command_id = ANY (v_ids) AND e.kind = 'success'
    )
    SELECT coalesce(jsonb_object_agg(command_id, status), '{}'),
           array_agg(msg_id) FILTER (WHERE status = 'COMPLETED'),
           array_agg(msg_id) FILTER (WHERE status IN ('FAILED', 'IN_TROUBLESHOOTING_QUEUE')),
           array_agg(msg_id) FILTER (WHERE status = 'IN_PROGRESS'),
           array_agg(coalesce(delay_ms, 0)) FILTER (WHERE status = 'IN_PROGRESS'),
           array_agg(command_id) FILTER (WHERE status IN ('COMPLETED', 'FAILED') AND reply_queue <> ''),
           array_agg(command_id) FILTER (WHERE batch_id IS NOT NULL AND status <> 'IN_PROGRESS')
    INTO v_accepted, v_delete, v_archive, v_retry, v_delays, v_with_reply, v_in_batch FROM ended;

    IF v_delete IS NOT NULL THEN
        PERFORM pgmq.delete(v_queue, v_delete);
    END IF;
    IF v_archive IS NOT NULL THEN
        PERFORM pgmq.archive(v_queue, v_archive);
    END IF;
    IF v_retry IS NOT NULL THEN
        PERFORM commandbus.delay_messages(v_queue, v_retry, v_delays);
    END IF;
    IF v_with_reply IS NOT NULL THEN
        PERFORM commandbus.send_replies(p_domain, v_with_reply, p_outcomes);
    END IF;
    IF v_in_batch IS NOT NULL THEN
        PERFORM commandbus.count_batches(p_domain, v_in_batch);
    END IF;
    RETURN v_accepted;
END
$$;
COMMENT ON FUNCTION commandbus.write_ends(TEXT, commandbus.outcome[]) IS
    'Part of finish_commands: writes the ends that count - status, audit, test_command, message, reply, batch';

CREATE FUNCTION commandbus.delay_messages(p_queue TEXT, p_msg_ids BIGINT[], p_delays_ms BIGINT[]) RETURNS VOID
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

CREATE FUNCTION commandbus.send_replies(p_domain TEXT, p_ids UUID[], p_outcomes commandbus.outcome[]) RETURNS VOID
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

CREATE FUNCTION commandbus.count_batches(p_domain TEXT, p_ids UUID[]) RETURNS VOID
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

CREATE FUNCTION commandbus.lock_parked(p_domain TEXT, p_command_id UUID) RETURNS commandbus.command
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

CREATE FUNCTION commandbus.operator_retry(p_domain TEXT, p_command_id UUID, p_operator TEXT) RETURNS BIGINT
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

CREATE FUNCTION commandbus.operator_cancel(p_domain TEXT, p_command_id UUID, p_reason TEXT, p_operator TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    c commandbus.command := commandbus.lock_parked(p_domain, p_command_id);
BEGIN
    UPDATE commandbus.command SET status = 'CANCELED', updated_at = clock_timestamp()
    WHERE domain = p_domain AND command_id = p_command_id;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, p_command_id, 'OPERATOR_CANCEL', jsonb_build_object(
        'operator', p_operator, 'reason', p_reason, 'reply_to', nullif(c.reply_queue, '')));
    IF c.reply_queue <> '' THEN
        PERFORM pgmq.send(c.reply_queue, jsonb_build_object(
            'command_id', c.command_id, 'correlation_id', c.correlation_id, 'outcome', 'CANCELED', 'reason', p_reason), 0);
        PERFORM pg_notify('pgmq_notify_' || c.reply_queue, '');
    END IF;
    IF c.batch_id IS NOT NULL THEN
        PERFORM commandbus.sp_tsq_cancel(p_domain, c.batch_id);
    END IF;
END
$$;
COMMENT ON FUNCTION commandbus.operator_cancel(TEXT, UUID, TEXT, TEXT) IS
    'Cancels a parked command and replies CANCELED. Errors as lock_parked';

CREATE FUNCTION commandbus.operator_complete(p_domain TEXT, p_command_id UUID, p_result JSONB, p_operator TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    c commandbus.command := commandbus.lock_parked(p_domain, p_command_id);
BEGIN
    UPDATE commandbus.command SET status = 'COMPLETED', updated_at = clock_timestamp()
    WHERE domain = p_domain AND command_id = p_command_id;
    UPDATE public.test_command SET result = p_result, processed_at = clock_timestamp() WHERE command_id = p_command_id;
    INSERT INTO commandbus.audit (domain, command_id, event_type, details_json)
    VALUES (p_domain, p_command_id, 'OPERATOR_COMPLETE', jsonb_build_object(
        'operator', p_operator, 'result_data', p_result, 'reply_to', nullif(c.reply_queue, '')));
    IF c.reply_queue <> '' THEN
        PERFORM pgmq.send(c.reply_queue, jsonb_build_object(
            'command_id', c.command_id, 'correlation_id', c.correlation_id, 'outcome', 'SUCCESS', 'result', p_result), 0);
        PERFORM pg_notify('pgmq_notify_' || c.reply_queue, '');
    END IF;
    IF c.batch_id IS NOT NULL THEN
        PERFORM commandbus.sp_tsq_complete(p_domain, c.batch_id);
    END IF;
END
$$;
COMMENT ON FUNCTION commandbus.operator_complete(TEXT, UUID, JSONB, TEXT) IS
    'Completes a parked command by hand and replies SUCCESS with the result. Errors as lock_parked';
