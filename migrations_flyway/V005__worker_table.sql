-- Who is working: one row per worker process, written by `manage.py runworker`, read by the site.

CREATE TABLE public.e2e_worker (
    worker_id        UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    host             TEXT NOT NULL,
    pid              INTEGER NOT NULL,
    engine           TEXT NOT NULL CONSTRAINT e2e_worker_engine_known CHECK (engine IN ('native', 'library')),
    queue_name       TEXT NOT NULL,
    polling          BOOLEAN NOT NULL DEFAULT FALSE,
    started_at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    beat_at          TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    stopped_at       TIMESTAMPTZ,
    settings_version BIGINT NOT NULL,
    overrides        JSONB NOT NULL DEFAULT '{}',
    concurrency      INTEGER NOT NULL,
    in_flight        INTEGER NOT NULL DEFAULT 0,
    received         BIGINT NOT NULL DEFAULT 0,
    completed        BIGINT NOT NULL DEFAULT 0,
    retried          BIGINT NOT NULL DEFAULT 0,
    parked           BIGINT NOT NULL DEFAULT 0,
    failed           BIGINT NOT NULL DEFAULT 0,
    late             BIGINT NOT NULL DEFAULT 0,
    kept             JSONB NOT NULL DEFAULT '[]'
);

COMMENT ON TABLE public.e2e_worker IS 'Worker processes and their last signs of life';
COMMENT ON COLUMN public.e2e_worker.worker_id IS 'Identity of one run of one process';
COMMENT ON COLUMN public.e2e_worker.host IS 'Name of the machine it runs on';
COMMENT ON COLUMN public.e2e_worker.pid IS 'Its process id there';
COMMENT ON COLUMN public.e2e_worker.engine IS 'native (this site''s own) or library (the published Worker)';
COMMENT ON COLUMN public.e2e_worker.queue_name IS 'The queue it reads';
COMMENT ON COLUMN public.e2e_worker.polling IS
    'Whether it goes without notifications and without the lock of its engine: its connections lead through a pooler';
COMMENT ON COLUMN public.e2e_worker.started_at IS 'When it started (server clock)';
COMMENT ON COLUMN public.e2e_worker.beat_at IS 'Its last sign of life, written every 2 s (server clock)';
COMMENT ON COLUMN public.e2e_worker.stopped_at IS 'When it stopped in order; empty while it runs and after a crash';
COMMENT ON COLUMN public.e2e_worker.settings_version IS 'The e2e_config.version that it works with';
COMMENT ON COLUMN public.e2e_worker.overrides IS 'Settings given on its command line, which win over e2e_config';
COMMENT ON COLUMN public.e2e_worker.concurrency IS 'Commands that it may perform at the same time';
COMMENT ON COLUMN public.e2e_worker.in_flight IS 'Commands that it performs now';
COMMENT ON COLUMN public.e2e_worker.received IS 'Attempts begun since it started';
COMMENT ON COLUMN public.e2e_worker.completed IS 'Attempts whose success was accepted';
COMMENT ON COLUMN public.e2e_worker.retried IS 'Attempts that failed for a moment and will be retried';
COMMENT ON COLUMN public.e2e_worker.parked IS 'Attempts that led to the troubleshooting queue';
COMMENT ON COLUMN public.e2e_worker.failed IS 'Attempts that broke a business rule';
COMMENT ON COLUMN public.e2e_worker.late IS 'Attempts that ended too late to count';
COMMENT ON COLUMN public.e2e_worker.kept IS
    'Messages (msg_id) of ended attempts whose outcomes it cannot write yet, since other transactions hold their rows: '
    'no other worker parks them meanwhile';

CREATE INDEX ix_e2e_worker_beat_at ON public.e2e_worker (beat_at);
COMMENT ON INDEX public.ix_e2e_worker_beat_at IS 'Used by the dashboard: workers seen lately';
