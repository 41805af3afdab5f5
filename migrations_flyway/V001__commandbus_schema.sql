-- The command bus: commands, their audit trail, batches and processes. Tables and columns are those that the Python of
-- reliable-cmd 0.2.2 calls; parked and the type outcome are this site's own. What changes rows are the
-- functions of the R__ files. Every name is schema-qualified: nothing depends on search_path.
--
-- Every command is updated at least twice. Where the new version of a row fits on its page and no indexed column
-- changed, PostgreSQL leaves the indexes alone (HOT). So no index mentions status or updated_at, and pages of command and
-- test_command keep room for one more version of every row: in a full drain a fillfactor of 50 gives 100 % HOT updates of
-- command and 45 gives 96 % of test_command (its row grows by the result); 55 gives 86 to 90 % and 82 to 86 %, 75 costs
-- a quarter of the speed. Both are vacuumed by a number of changes and a small share: the default share would come ever
-- more rarely as they grow.
--
-- What pages use instead of an index over status: parked (the troubleshooting queue), ix_audit_rare (FAILED, CANCELED,
-- rejected), the queue table (PENDING, IN_PROGRESS), and reltuples less these (COMPLETED).

CREATE SCHEMA IF NOT EXISTS commandbus;
COMMENT ON SCHEMA commandbus IS 'The command bus: what reliable-cmd calls, and this site''s own tables and functions beside it';

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
COMMENT ON COLUMN commandbus.batch.custom_data IS 'Data that the sender attached';
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
) WITH (
    fillfactor = 50, autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_threshold = 20000, autovacuum_analyze_scale_factor = 0.05
);
CREATE INDEX ix_command_batch ON commandbus.command (domain, batch_id) WHERE batch_id IS NOT NULL;
COMMENT ON INDEX commandbus.ix_command_batch IS 'Used by sp_refresh_batch_stats: the members of one batch';
CREATE INDEX ix_command_correlation ON commandbus.command (correlation_id, command_id) WHERE correlation_id IS NOT NULL;
COMMENT ON INDEX commandbus.ix_command_correlation IS
    'Used by the list of commands: those of one correlation id, such as all that one bulk send sent; newest first where ids '
    'grow with time. A bulk send has one value, so its entries go to one place';
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
CREATE INDEX ix_audit_sent ON commandbus.audit (domain, audit_id) WHERE event_type = 'SENT';
COMMENT ON INDEX commandbus.ix_audit_sent IS 'Used by the lists of the console: the newest commands of a domain (one entry a command)';
-- Operators' actions are rare, and no index over all events pays for them. Their texts are cut: a key has a largest size.
CREATE INDEX ix_audit_action ON commandbus.audit (audit_id)
    WHERE event_type IN ('OPERATOR_RETRY', 'OPERATOR_CANCEL', 'OPERATOR_COMPLETE');
COMMENT ON INDEX commandbus.ix_audit_action IS 'Used by the list of operators'' actions: newest first';
CREATE INDEX ix_audit_operator ON commandbus.audit (left(details_json ->> 'operator', 150), audit_id)
    WHERE event_type IN ('OPERATOR_RETRY', 'OPERATOR_CANCEL', 'OPERATOR_COMPLETE');
COMMENT ON INDEX commandbus.ix_audit_operator IS 'Used by the list of operators'' actions: those of one operator';
CREATE INDEX ix_audit_operation ON commandbus.audit (left(details_json ->> 'operation', 20), audit_id)
    WHERE event_type IN ('OPERATOR_RETRY', 'OPERATOR_CANCEL', 'OPERATOR_COMPLETE')
        AND left(details_json ->> 'operation', 20) IS NOT NULL;
COMMENT ON INDEX commandbus.ix_audit_operation IS 'Used by the list of commands: those that one bulk operation changed';
COMMENT ON TABLE commandbus.audit IS 'Everything that happened to every command; rows are only ever added';
COMMENT ON COLUMN commandbus.audit.audit_id IS 'Order of writing';
COMMENT ON COLUMN commandbus.audit.domain IS 'Domain of the command';
COMMENT ON COLUMN commandbus.audit.command_id IS 'The command; the nil UUID for a rejected message, the batch for BATCH_* events';
COMMENT ON COLUMN commandbus.audit.event_type IS 'What happened (commands/rules/words.py lists the words)';
COMMENT ON COLUMN commandbus.audit.ts IS 'When (server clock)';
COMMENT ON COLUMN commandbus.audit.details_json IS 'Particulars: msg_id, attempt, error, operator, …';

CREATE TABLE commandbus.parked (
    domain     TEXT NOT NULL,
    command_id UUID NOT NULL,
    parked_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    msg_id     BIGINT,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error_type TEXT NOT NULL DEFAULT '',
    error_code TEXT NOT NULL DEFAULT '',
    behavior   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (domain, command_id)
);
CREATE INDEX ix_parked_newest ON commandbus.parked (domain, parked_at, command_id);
COMMENT ON INDEX commandbus.ix_parked_newest IS
    'Used by the troubleshooting queue''s list, read backwards: newest first, a page begins behind the last row of the one before';
COMMENT ON TABLE commandbus.parked IS 'The troubleshooting queue: the commands whose status says so, kept by trigger command_keep_parked';
COMMENT ON COLUMN commandbus.parked.domain IS 'Domain of the command';
COMMENT ON COLUMN commandbus.parked.command_id IS 'The command';
COMMENT ON COLUMN commandbus.parked.parked_at IS 'When it came in (server clock)';
COMMENT ON COLUMN commandbus.parked.msg_id IS 'Its message, by now in the archive; a copy of the command''s, as the next ones are';
COMMENT ON COLUMN commandbus.parked.attempts IS 'Attempts begun on that message';
COMMENT ON COLUMN commandbus.parked.error_type IS 'TRANSIENT or PERMANENT; empty where none is known';
COMMENT ON COLUMN commandbus.parked.error_code IS 'Code of its last error, 100 characters at most; empty where it has none';
COMMENT ON COLUMN commandbus.parked.behavior IS 'Behavior type of its test_command row, 100 characters at most; empty without one';

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
