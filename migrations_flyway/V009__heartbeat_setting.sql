-- Leases that grow with the work, where the settings ask for it.

ALTER TABLE public.e2e_config ADD COLUMN heartbeat BOOLEAN NOT NULL DEFAULT FALSE;
COMMENT ON COLUMN public.e2e_config.heartbeat IS
    'Whether the leases of running attempts are extended while their worker lives; never those of behavior timeout';
