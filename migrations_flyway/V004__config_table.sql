-- The settings of every worker: one row, edited in the admin, applied live (R__06_settings.sql counts its versions).

CREATE TABLE public.e2e_config (
    id                 SMALLINT PRIMARY KEY DEFAULT 1 CONSTRAINT e2e_config_one_row CHECK (id = 1),
    visibility_timeout INTEGER NOT NULL DEFAULT 30
        CONSTRAINT e2e_config_visibility_timeout_range CHECK (visibility_timeout BETWEEN 1 AND 43200),
    concurrency        INTEGER NOT NULL DEFAULT 4
        CONSTRAINT e2e_config_concurrency_range CHECK (concurrency BETWEEN 1 AND 500),
    poll_interval      NUMERIC(5, 2) NOT NULL DEFAULT 1
        CONSTRAINT e2e_config_poll_interval_range CHECK (poll_interval BETWEEN 0.05 AND 60),
    batch_size         INTEGER NOT NULL DEFAULT 10
        CONSTRAINT e2e_config_batch_size_range CHECK (batch_size BETWEEN 1 AND 1000),
    max_attempts       INTEGER NOT NULL DEFAULT 3
        CONSTRAINT e2e_config_max_attempts_range CHECK (max_attempts BETWEEN 1 AND 100),
    base_delay_ms      INTEGER NOT NULL DEFAULT 1000
        CONSTRAINT e2e_config_base_delay_ms_range CHECK (base_delay_ms BETWEEN 0 AND 3600000),
    max_delay_ms       INTEGER NOT NULL DEFAULT 60000
        CONSTRAINT e2e_config_max_delay_ms_range CHECK (max_delay_ms BETWEEN 0 AND 86400000),
    backoff_multiplier NUMERIC(4, 2) NOT NULL DEFAULT 2
        CONSTRAINT e2e_config_backoff_multiplier_range CHECK (backoff_multiplier BETWEEN 1 AND 10),
    heartbeat          BOOLEAN NOT NULL DEFAULT FALSE,
    paused             BOOLEAN NOT NULL DEFAULT FALSE,
    redacted_keys      TEXT NOT NULL DEFAULT ''
        CONSTRAINT e2e_config_redacted_keys_length CHECK (char_length(redacted_keys) <= 10200),
    version            BIGINT NOT NULL DEFAULT 1,
    updated_at         TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_by         TEXT NOT NULL DEFAULT '',
    CONSTRAINT e2e_config_max_delay_ms_not_below_base CHECK (max_delay_ms >= base_delay_ms)
);

COMMENT ON TABLE public.e2e_config IS 'Settings of the workers and of retries; exactly one row';
COMMENT ON COLUMN public.e2e_config.id IS 'Always 1';
COMMENT ON COLUMN public.e2e_config.visibility_timeout IS 'Lease in seconds: how long a received message stays hidden from other workers';
COMMENT ON COLUMN public.e2e_config.concurrency IS 'Commands that one worker process performs at the same time';
COMMENT ON COLUMN public.e2e_config.poll_interval IS 'Seconds between two looks at the queue when no notification comes';
COMMENT ON COLUMN public.e2e_config.batch_size IS 'Most messages taken in one read';
COMMENT ON COLUMN public.e2e_config.max_attempts IS 'Deliveries before a command is parked; copied into each command when it is sent';
COMMENT ON COLUMN public.e2e_config.base_delay_ms IS 'Milliseconds of backoff after the first attempt';
COMMENT ON COLUMN public.e2e_config.max_delay_ms IS 'Most milliseconds of backoff, whatever the attempt';
COMMENT ON COLUMN public.e2e_config.backoff_multiplier IS 'Factor between one backoff and the next';
COMMENT ON COLUMN public.e2e_config.heartbeat IS
    'Whether the leases of running attempts are extended while their worker lives; never those of behavior timeout';
COMMENT ON COLUMN public.e2e_config.paused IS 'Whether workers take nothing more; what they have, they finish';
COMMENT ON COLUMN public.e2e_config.redacted_keys IS
    'Keys of JSON whose values are hidden from who may not see them, separated by commas; empty for none';
COMMENT ON COLUMN public.e2e_config.version IS 'Counts up with every change; a worker records the version it runs with';
COMMENT ON COLUMN public.e2e_config.updated_at IS 'When it was last changed (server clock)';
COMMENT ON COLUMN public.e2e_config.updated_by IS 'Who changed it last: a user name, or empty for the defaults';

INSERT INTO public.e2e_config DEFAULT VALUES;
