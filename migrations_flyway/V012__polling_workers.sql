-- Workers behind a pooler: they hold no lock of a session, so others know them by their rows.

ALTER TABLE public.e2e_worker ADD COLUMN polling BOOLEAN NOT NULL DEFAULT FALSE;
COMMENT ON COLUMN public.e2e_worker.polling IS
    'Whether it goes without notifications and without the lock of its engine: its connections lead through a pooler';
