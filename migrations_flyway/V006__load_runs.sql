-- Load tests: their runs, with what was measured. The commands that they send are in databases of their own.

CREATE TABLE public.load_run (
    run_id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state       TEXT NOT NULL DEFAULT 'running' CONSTRAINT load_run_state_known CHECK (state IN (
        'running', 'finished', 'interrupted', 'failed', 'lost')),
    phase       TEXT NOT NULL DEFAULT 'preparing' CONSTRAINT load_run_phase_known CHECK (phase IN (
        'preparing', 'starting', 'sending', 'working', 'stopping', 'measuring')),
    host        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    options     JSONB NOT NULL,
    started_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    beat_at     TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    sending_at  TIMESTAMPTZ,
    ended_at    TIMESTAMPTZ,
    commands    BIGINT NOT NULL,
    sent        BIGINT NOT NULL DEFAULT 0,
    received    BIGINT NOT NULL DEFAULT 0,
    completed   BIGINT NOT NULL DEFAULT 0,
    failed      BIGINT NOT NULL DEFAULT 0,
    parked      BIGINT NOT NULL DEFAULT 0,
    as_expected BOOLEAN,
    verdict     TEXT NOT NULL DEFAULT '',
    summary     JSONB,
    CONSTRAINT load_run_ended CHECK ((state = 'running') = (ended_at IS NULL))
);
COMMENT ON TABLE public.load_run IS 'Runs of `manage.py loadtest`, which writes its own row; the newest 200 are kept';
COMMENT ON COLUMN public.load_run.run_id IS 'Number of the run';
COMMENT ON COLUMN public.load_run.state IS 'running, finished, interrupted (by Ctrl-C or --max-wait), failed, or lost: its process died and a later run noticed';
COMMENT ON COLUMN public.load_run.phase IS 'What a running one does now, or an ended one did last';
COMMENT ON COLUMN public.load_run.host IS 'Name of the machine it runs on';
COMMENT ON COLUMN public.load_run.pid IS 'Its process id there';
COMMENT ON COLUMN public.load_run.options IS 'What it was asked for, and the settings in force';
COMMENT ON COLUMN public.load_run.started_at IS 'When it began (server clock)';
COMMENT ON COLUMN public.load_run.beat_at IS 'Its last sign of life, written every 2 s (server clock)';
COMMENT ON COLUMN public.load_run.sending_at IS 'When it began to send (server clock): second 0 of its samples';
COMMENT ON COLUMN public.load_run.ended_at IS 'When it ended; of a lost one, its last sign of life; empty while it runs';
COMMENT ON COLUMN public.load_run.commands IS 'How many commands it was asked to send';
COMMENT ON COLUMN public.load_run.sent IS 'Commands sent so far';
COMMENT ON COLUMN public.load_run.received IS 'Attempts begun so far';
COMMENT ON COLUMN public.load_run.completed IS 'Commands that are COMPLETED so far';
COMMENT ON COLUMN public.load_run.failed IS 'Commands that are FAILED so far';
COMMENT ON COLUMN public.load_run.parked IS 'Commands in the troubleshooting queue so far';
COMMENT ON COLUMN public.load_run.as_expected IS 'Whether every command ended as its behavior says; empty until that is known';
COMMENT ON COLUMN public.load_run.verdict IS 'How it ended, in one sentence';
COMMENT ON COLUMN public.load_run.summary IS 'What was measured (bench/loadtest/summary.py); empty until it ended';

CREATE TABLE public.load_sample (
    run_id      BIGINT NOT NULL REFERENCES public.load_run ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    at_s        DOUBLE PRECISION NOT NULL,
    sent        BIGINT NOT NULL,
    received    BIGINT NOT NULL,
    ended       BIGINT NOT NULL,
    waiting     BIGINT NOT NULL,
    in_progress BIGINT NOT NULL,
    p50_ms      DOUBLE PRECISION,
    p95_ms      DOUBLE PRECISION,
    p99_ms      DOUBLE PRECISION,
    PRIMARY KEY (run_id, number)
);
COMMENT ON TABLE public.load_sample IS 'What a load test saw while it ran: about one row per second, less often after ten minutes';
COMMENT ON COLUMN public.load_sample.run_id IS 'The run';
COMMENT ON COLUMN public.load_sample.number IS 'From 1 on';
COMMENT ON COLUMN public.load_sample.at_s IS 'Seconds since it began to send';
COMMENT ON COLUMN public.load_sample.sent IS 'Commands sent until then';
COMMENT ON COLUMN public.load_sample.received IS 'Attempts begun until then';
COMMENT ON COLUMN public.load_sample.ended IS 'Commands with a final state until then';
COMMENT ON COLUMN public.load_sample.waiting IS 'Commands of which no attempt had begun';
COMMENT ON COLUMN public.load_sample.in_progress IS 'Commands begun and not ended, those that wait for a retry included';
COMMENT ON COLUMN public.load_sample.p50_ms IS 'From sending to the end, milliseconds: median of the ends since the sample before; empty without any';
COMMENT ON COLUMN public.load_sample.p95_ms IS 'As p50_ms: 95 of 100 were faster';
COMMENT ON COLUMN public.load_sample.p99_ms IS 'As p50_ms: 99 of 100 were faster';
