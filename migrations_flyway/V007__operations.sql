-- Operations: what people ask to be done to many commands. The site writes the row, workers (or `manage.py operate`) do it in
-- short transactions, each of which locks the row, acts, and writes how far it came: nothing is done twice, and whichever
-- process comes next goes on. Numbers are commands.

CREATE TABLE public.e2e_operation (
    operation_id   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           TEXT NOT NULL CONSTRAINT e2e_operation_kind_known CHECK (kind IN ('send', 'retry', 'cancel', 'complete')),
    domain         TEXT NOT NULL,
    state          TEXT NOT NULL DEFAULT 'waiting' CONSTRAINT e2e_operation_state_known CHECK (state IN (
        'waiting', 'running', 'done', 'canceled', 'stopped', 'failed')),
    operator       TEXT NOT NULL,
    reason         TEXT NOT NULL DEFAULT '',
    spec           JSONB NOT NULL,
    correlation_id UUID NOT NULL DEFAULT gen_random_uuid() CONSTRAINT e2e_operation_correlation UNIQUE,
    wanted         BIGINT NOT NULL CONSTRAINT e2e_operation_wanted_range CHECK (wanted >= 0),
    done           BIGINT NOT NULL DEFAULT 0,
    skipped        BIGINT NOT NULL DEFAULT 0,
    rate           INTEGER CONSTRAINT e2e_operation_rate_range CHECK (rate BETWEEN 1 AND 100000),
    canary         INTEGER CONSTRAINT e2e_operation_canary_range CHECK (canary BETWEEN 0 AND 99),
    progress       JSONB NOT NULL DEFAULT '{}',
    said           TEXT NOT NULL DEFAULT '',
    created_at     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    started_at     TIMESTAMPTZ,
    next_at        TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    beat_at        TIMESTAMPTZ,
    ended_at       TIMESTAMPTZ,
    stopped_by     TEXT NOT NULL DEFAULT '',
    CONSTRAINT e2e_operation_ended CHECK ((state IN ('waiting', 'running')) = (ended_at IS NULL))
);
CREATE INDEX ix_e2e_operation_open ON public.e2e_operation (operation_id) WHERE state IN ('waiting', 'running');
COMMENT ON INDEX public.ix_e2e_operation_open IS 'Used by workers: what is to be done';
COMMENT ON TABLE public.e2e_operation IS 'What people asked to be done to many commands, and how far it is';
COMMENT ON COLUMN public.e2e_operation.operation_id IS 'Number of the operation';
COMMENT ON COLUMN public.e2e_operation.kind IS 'send: many new commands; retry, cancel, complete: parked ones';
COMMENT ON COLUMN public.e2e_operation.domain IS 'Domain of the commands';
COMMENT ON COLUMN public.e2e_operation.state IS
    'waiting, running, done, canceled (by a person, between two chunks), stopped (by its canary), or failed (said tells why)';
COMMENT ON COLUMN public.e2e_operation.operator IS 'Who asked for it: a user name';
COMMENT ON COLUMN public.e2e_operation.reason IS 'Why';
COMMENT ON COLUMN public.e2e_operation.spec IS
    'What is sent (each behavior with its weight, seed, attempts, reply), or which commands (filter or ids) and what happens to them';
COMMENT ON COLUMN public.e2e_operation.correlation_id IS
    'Correlation id of everything that it sends. A form that is sent twice names the same one, so that it is asked for once';
COMMENT ON COLUMN public.e2e_operation.wanted IS 'How many commands were meant when it was asked for';
COMMENT ON COLUMN public.e2e_operation.done IS 'Sent, or changed, so far';
COMMENT ON COLUMN public.e2e_operation.skipped IS 'Met and left as they are: changed by others meanwhile, or without a message';
COMMENT ON COLUMN public.e2e_operation.rate IS 'The most commands per second; empty for no limit';
COMMENT ON COLUMN public.e2e_operation.canary IS
    'Begins with one command and then ten, each time waiting for their ends, and stops above so many percent of failures; '
    'empty for all at once';
COMMENT ON COLUMN public.e2e_operation.progress IS 'How far it came: what the next chunk begins with';
COMMENT ON COLUMN public.e2e_operation.said IS 'How it ended, in one sentence';
COMMENT ON COLUMN public.e2e_operation.created_at IS 'When it was asked for (server clock)';
COMMENT ON COLUMN public.e2e_operation.started_at IS 'When its first chunk began (server clock)';
COMMENT ON COLUMN public.e2e_operation.next_at IS 'When its next chunk is due: later than now under a rate, or while a canary waits';
COMMENT ON COLUMN public.e2e_operation.beat_at IS 'When its newest chunk ended (server clock)';
COMMENT ON COLUMN public.e2e_operation.ended_at IS 'When it ended (server clock); empty before';
COMMENT ON COLUMN public.e2e_operation.stopped_by IS 'Who canceled it; empty otherwise';
