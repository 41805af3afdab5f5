-- Runs of the bench (bench/runs): what was asked, how it stands, and the whole document once it has ended. Both ledgers
-- (bench/ledgers) are kept by files while a run works, and are read into their tables for the checks: in the run's own
-- database, or in the site's where a run sends there.

CREATE TABLE public.bench_run (
    run_id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state      TEXT NOT NULL DEFAULT 'waiting'
        CONSTRAINT bench_run_state CHECK (state IN ('waiting', 'running', 'ended', 'canceled', 'broken', 'lost')),
    scenario   TEXT NOT NULL CONSTRAINT bench_run_scenario CHECK (length(scenario) BETWEEN 1 AND 60),
    engines    TEXT NOT NULL DEFAULT '',
    seed       BIGINT NOT NULL CONSTRAINT bench_run_seed CHECK (seed >= 0),
    source     JSONB NOT NULL CONSTRAINT bench_run_source CHECK (octet_length(source::text) <= 65536),
    asked_by   TEXT NOT NULL DEFAULT '' CONSTRAINT bench_run_asked_by CHECK (length(asked_by) <= 150),
    asked_at   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    started_at TIMESTAMPTZ,
    beat_at    TIMESTAMPTZ,
    ended_at   TIMESTAMPTZ,
    host       TEXT NOT NULL DEFAULT '',
    pid        INTEGER,
    phase      TEXT NOT NULL DEFAULT '',
    done       BIGINT NOT NULL DEFAULT 0,
    total      BIGINT NOT NULL DEFAULT 0,
    canceled_by TEXT NOT NULL DEFAULT '' CONSTRAINT bench_run_canceled_by CHECK (length(canceled_by) <= 150),
    verdict    TEXT CONSTRAINT bench_run_verdict CHECK (verdict IN ('PASS', 'FAIL', 'UNKNOWN')),
    as_asked   BOOLEAN,
    why        TEXT NOT NULL DEFAULT '',
    document   JSONB,
    CONSTRAINT bench_run_ended CHECK ((state IN ('waiting', 'running')) = (ended_at IS NULL))
);
COMMENT ON TABLE public.bench_run IS 'Runs of the bench; the newest 500 are kept';
COMMENT ON COLUMN public.bench_run.run_id IS 'Number of the run';
COMMENT ON COLUMN public.bench_run.state IS 'waiting for its turn, running, ended with a verdict, canceled by a person, broken: it could not work, or lost: its process died';
COMMENT ON COLUMN public.bench_run.scenario IS 'Name of its scenario';
COMMENT ON COLUMN public.bench_run.engines IS 'Engines of its workers, with commas';
COMMENT ON COLUMN public.bench_run.seed IS 'From it follow the commands, what attempts roll, and the moments of faults';
COMMENT ON COLUMN public.bench_run.source IS 'The scenario as it was asked for';
COMMENT ON COLUMN public.bench_run.asked_by IS 'Who asked for it; empty: the command line';
COMMENT ON COLUMN public.bench_run.asked_at IS 'When it was asked for (server clock)';
COMMENT ON COLUMN public.bench_run.started_at IS 'When it began; empty while it waits';
COMMENT ON COLUMN public.bench_run.beat_at IS 'Its last sign of life, written every second, also while a process waits with it';
COMMENT ON COLUMN public.bench_run.ended_at IS 'When it ended, however that was';
COMMENT ON COLUMN public.bench_run.host IS 'The machine that works it off, or will; empty: manage.py bench work will';
COMMENT ON COLUMN public.bench_run.pid IS 'The process there; empty while it waits for manage.py bench work';
COMMENT ON COLUMN public.bench_run.phase IS 'What it does now, or did last';
COMMENT ON COLUMN public.bench_run.done IS 'Commands that were acknowledged so far';
COMMENT ON COLUMN public.bench_run.total IS 'Commands that it sends in all';
COMMENT ON COLUMN public.bench_run.canceled_by IS 'Who asked it to stop; empty: no one';
COMMENT ON COLUMN public.bench_run.verdict IS 'PASS, FAIL or UNKNOWN; empty before its end and where it came to none';
COMMENT ON COLUMN public.bench_run.as_asked IS 'Whether that is the verdict which its scenario expects';
COMMENT ON COLUMN public.bench_run.why IS 'The verdict in one sentence';
COMMENT ON COLUMN public.bench_run.document IS 'All about it (bench/report/document.py); empty before its end';

CREATE INDEX bench_run_to_do ON public.bench_run (run_id) WHERE state IN ('waiting', 'running');
COMMENT ON INDEX public.bench_run_to_do IS 'Used by whoever works runs off: which comes next, and how many are before it';

CREATE TABLE public.bench_send (
    run_id      BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    command_id  UUID NOT NULL,
    kind        TEXT NOT NULL,
    intended_at TIMESTAMPTZ NOT NULL,
    sent_at     TIMESTAMPTZ NOT NULL,
    answered_at TIMESTAMPTZ,
    outcome     TEXT NOT NULL
        CONSTRAINT bench_send_outcome CHECK (outcome IN ('acknowledged', 'duplicate', 'error', 'unknown')),
    PRIMARY KEY (run_id, number)
);
COMMENT ON TABLE public.bench_send IS 'What senders of a run were told: one row for each command that was tried';
COMMENT ON COLUMN public.bench_send.run_id IS 'The run; in its own database always its number on the site';
COMMENT ON COLUMN public.bench_send.number IS 'From 0 on, in the order of sending';
COMMENT ON COLUMN public.bench_send.command_id IS 'The command; several rows where it was sent several times';
COMMENT ON COLUMN public.bench_send.kind IS 'What it is by the plan of the run: its behavior and how it may end';
COMMENT ON COLUMN public.bench_send.intended_at IS 'When it was due';
COMMENT ON COLUMN public.bench_send.sent_at IS 'When the sender began to send it; written before it did';
COMMENT ON COLUMN public.bench_send.answered_at IS 'When the answer came; empty: none came';
COMMENT ON COLUMN public.bench_send.outcome IS 'acknowledged, duplicate: known already, error: certainly not taken, or unknown';

CREATE INDEX bench_send_command ON public.bench_send (command_id);
COMMENT ON INDEX public.bench_send_command IS 'Used by the checks of a run: what the senders of a command were told';

CREATE TABLE public.bench_execution (
    run_id     BIGINT NOT NULL,
    command_id UUID NOT NULL,
    msg_id     BIGINT NOT NULL,
    attempt    INTEGER NOT NULL,
    worker     TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    began_at   TIMESTAMPTZ NOT NULL,
    ended_at   TIMESTAMPTZ,
    outcome    TEXT
);
COMMENT ON TABLE public.bench_execution IS 'What handlers did in a run, by their own ledger: one row for each execution';
COMMENT ON COLUMN public.bench_execution.run_id IS 'The run';
COMMENT ON COLUMN public.bench_execution.command_id IS 'The command';
COMMENT ON COLUMN public.bench_execution.msg_id IS 'Its message; another one after an operator retried it';
COMMENT ON COLUMN public.bench_execution.attempt IS 'Which attempt on that message, from 1';
COMMENT ON COLUMN public.bench_execution.worker IS 'Name of the worker process in the run, worker 1.2: the second start of the first';
COMMENT ON COLUMN public.bench_execution.pid IS 'Its process';
COMMENT ON COLUMN public.bench_execution.began_at IS 'When the handler was called';
COMMENT ON COLUMN public.bench_execution.ended_at IS 'When it returned or raised; empty: it did neither';
COMMENT ON COLUMN public.bench_execution.outcome IS 'ok, the class of what it raised, or empty';

CREATE INDEX bench_execution_command ON public.bench_execution (command_id);
COMMENT ON INDEX public.bench_execution_command IS 'Used by the checks of a run and the microscope: the executions of a command';

CREATE TABLE public.bench_check (
    check_id  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain    TEXT NOT NULL,
    at        TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    verdict   TEXT NOT NULL CONSTRAINT bench_check_verdict CHECK (verdict IN ('PASS', 'FAIL', 'UNKNOWN')),
    why       TEXT NOT NULL,
    commands  BIGINT NOT NULL,
    seconds   DOUBLE PRECISION NOT NULL,
    rules     JSONB NOT NULL
);
COMMENT ON TABLE public.bench_check IS 'Checks of the invariants on the site''s own commands; the newest 100 of each domain are kept';
COMMENT ON COLUMN public.bench_check.check_id IS 'Number of the check';
COMMENT ON COLUMN public.bench_check.domain IS 'Whose commands were checked';
COMMENT ON COLUMN public.bench_check.at IS 'When it ended';
COMMENT ON COLUMN public.bench_check.verdict IS 'PASS: all that could be asked hold; FAIL: one is broken; UNKNOWN: one could not be decided';
COMMENT ON COLUMN public.bench_check.why IS 'The verdict in one sentence';
COMMENT ON COLUMN public.bench_check.commands IS 'How many commands were checked';
COMMENT ON COLUMN public.bench_check.seconds IS 'How long it took';
COMMENT ON COLUMN public.bench_check.rules IS 'What each invariant came to (bench/report/document.py, Rule)';

CREATE INDEX bench_check_newest ON public.bench_check (domain, check_id DESC);
COMMENT ON INDEX public.bench_check_newest IS 'Used by the dashboard: the newest check of a domain';
