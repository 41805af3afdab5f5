-- What the sampler saw: one row a second for each domain, and the same rolled up to 10 s, 1 min and 1 h. Viewers read these
-- rows, never the tables that they count.

CREATE TABLE public.e2e_sample (
    domain      TEXT NOT NULL,
    width_s     INTEGER NOT NULL CONSTRAINT e2e_sample_width_known CHECK (width_s IN (1, 10, 60, 3600)),
    at          TIMESTAMPTZ NOT NULL,
    seconds     REAL NOT NULL CONSTRAINT e2e_sample_seconds_range CHECK (seconds > 0),
    visible     INTEGER NOT NULL,
    in_flight   INTEGER NOT NULL,
    delayed     INTEGER NOT NULL,
    oldest_s    REAL,
    tsq         INTEGER NOT NULL,
    workers     INTEGER NOT NULL,
    sent        INTEGER NOT NULL,
    received    INTEGER NOT NULL,
    completed   INTEGER NOT NULL,
    retried     INTEGER NOT NULL,
    parked      INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    canceled    INTEGER NOT NULL,
    late        INTEGER NOT NULL,
    waiting     INTEGER[] NOT NULL DEFAULT '{}',
    running     INTEGER[] NOT NULL DEFAULT '{}',
    first_audit BIGINT NOT NULL,
    last_audit  BIGINT NOT NULL,
    PRIMARY KEY (domain, width_s, at)
);
COMMENT ON TABLE public.e2e_sample IS 'What happened in a domain in each second, 10 s, minute and hour, and how it stood at the end';
COMMENT ON COLUMN public.e2e_sample.domain IS 'The domain that it is about';
COMMENT ON COLUMN public.e2e_sample.width_s IS 'Seconds of its column: 1 (kept for an hour), 10 (24 h), 60 (7 d) or 3600 (90 d)';
COMMENT ON COLUMN public.e2e_sample.at IS 'When its column begins (server clock), a multiple of width_s since 1970';
COMMENT ON COLUMN public.e2e_sample.seconds IS
    'How many seconds its counts stand for, never 0: more than width_s after a gap of the sampler, a thousandth while its counts '
    'wait for a transaction that is open, and in the column after that as long as they waited';
COMMENT ON COLUMN public.e2e_sample.visible IS 'Messages in the queue that a worker could take, at the end (rolled up: the most)';
COMMENT ON COLUMN public.e2e_sample.in_flight IS 'Messages whose attempt runs, at the end (rolled up: the most)';
COMMENT ON COLUMN public.e2e_sample.delayed IS 'Messages that wait for their time, as a rule for a retry, at the end (rolled up: the most)';
COMMENT ON COLUMN public.e2e_sample.oldest_s IS
    'For how many seconds a worker could have taken the message that waits longest, at the end (rolled up: the most); empty without one';
COMMENT ON COLUMN public.e2e_sample.tsq IS 'Commands in the troubleshooting queue, at the end (rolled up: the most)';
COMMENT ON COLUMN public.e2e_sample.workers IS 'Live workers, at the end (rolled up: the fewest)';
COMMENT ON COLUMN public.e2e_sample.sent IS 'Commands sent in it';
COMMENT ON COLUMN public.e2e_sample.received IS 'Attempts begun in it';
COMMENT ON COLUMN public.e2e_sample.completed IS 'Commands completed in it, by workers and by operators';
COMMENT ON COLUMN public.e2e_sample.retried IS 'Attempts that failed for a moment in it';
COMMENT ON COLUMN public.e2e_sample.parked IS 'Commands parked in it';
COMMENT ON COLUMN public.e2e_sample.failed IS 'Commands failed by a business rule in it';
COMMENT ON COLUMN public.e2e_sample.canceled IS 'Commands canceled by operators in it';
COMMENT ON COLUMN public.e2e_sample.late IS 'Ends that came too late to count in it';
COMMENT ON COLUMN public.e2e_sample.waiting IS
    'Of every 64th command: how many waited how long from being sent to the beginning of the first attempt, in buckets of a quarter octave';
COMMENT ON COLUMN public.e2e_sample.running IS
    'Of every 64th command: how many attempts took how long from RECEIVED to their end, in the same buckets';
COMMENT ON COLUMN public.e2e_sample.first_audit IS 'The events that it counts: audit_id above this …';
COMMENT ON COLUMN public.e2e_sample.last_audit IS '… up to this';

CREATE TABLE public.e2e_database_sample (
    width_s     INTEGER NOT NULL CONSTRAINT e2e_database_sample_width_known CHECK (width_s IN (10, 60, 3600)),
    at          TIMESTAMPTZ NOT NULL,
    size_bytes  BIGINT NOT NULL,
    dead_rows   BIGINT NOT NULL,
    wal_bytes   BIGINT NOT NULL,
    PRIMARY KEY (width_s, at)
);
COMMENT ON TABLE public.e2e_database_sample IS 'How large the database was, and how much it had written: looked at every 10 s';
COMMENT ON COLUMN public.e2e_database_sample.width_s IS 'Seconds of its column: 10, 60 or 3600, kept as in e2e_sample';
COMMENT ON COLUMN public.e2e_database_sample.at IS 'When its column begins (server clock)';
COMMENT ON COLUMN public.e2e_database_sample.size_bytes IS 'Size of the database (rolled up: the most)';
COMMENT ON COLUMN public.e2e_database_sample.dead_rows IS 'Dead rows in the tables of the bus, as the statistics have them (rolled up: the most)';
COMMENT ON COLUMN public.e2e_database_sample.wal_bytes IS 'Position in the write-ahead log: its growth is what the whole server wrote (rolled up: the last)';

CREATE TABLE public.e2e_sampler (
    one         BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT e2e_sampler_one CHECK (one),
    counted     BIGINT NOT NULL,
    counted_at  TIMESTAMPTZ,
    horizon     BIGINT,
    horizon_at  TIMESTAMPTZ,
    writers     TEXT[] NOT NULL DEFAULT '{}',
    sampled_at  TIMESTAMPTZ,
    sampler     TEXT NOT NULL DEFAULT ''
);
-- What happened before there was a sampler is not counted.
INSERT INTO public.e2e_sampler (counted)
SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('commandbus.audit', 'audit_id')::REGCLASS), 0);
COMMENT ON TABLE public.e2e_sampler IS 'How far the sampler came, and who samples. Whoever samples holds the row: each event is counted once';
COMMENT ON COLUMN public.e2e_sampler.one IS 'There is one row';
COMMENT ON COLUMN public.e2e_sampler.counted IS 'Events up to this audit_id are counted';
COMMENT ON COLUMN public.e2e_sampler.counted_at IS 'What happened until then is counted (server clock); empty before the first sample';
COMMENT ON COLUMN public.e2e_sampler.horizon IS 'Events up to this audit_id, which the sequence had reached …';
COMMENT ON COLUMN public.e2e_sampler.horizon_at IS '… at this time, are counted next …';
COMMENT ON COLUMN public.e2e_sampler.writers IS '… once these transactions have ended, which wrote events then (pg_locks.virtualtransaction)';
COMMENT ON COLUMN public.e2e_sampler.sampled_at IS 'When it sampled last (server clock); empty before its first';
COMMENT ON COLUMN public.e2e_sampler.sampler IS 'Who samples: host:pid; empty where it stopped in order';

CREATE TABLE public.e2e_sampler_look (
    domain    TEXT PRIMARY KEY,
    next_at   TIMESTAMPTZ NOT NULL,
    every_nth INTEGER NOT NULL CONSTRAINT e2e_sampler_look_every_nth_range CHECK (every_nth > 0)
);
COMMENT ON TABLE public.e2e_sampler_look IS 'When the sampler looks at the queue of each domain next: the longer a look takes, the later';
COMMENT ON COLUMN public.e2e_sampler_look.domain IS 'The domain';
COMMENT ON COLUMN public.e2e_sampler_look.next_at IS 'When it looks next (server clock); until then it carries forward what it knows by what it counts';
COMMENT ON COLUMN public.e2e_sampler_look.every_nth IS 'Of how many hidden messages it then looks at one, to tell which run and which wait';

CREATE TABLE public.e2e_sample_total (
    domain      TEXT PRIMARY KEY,
    since       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    sent        BIGINT NOT NULL DEFAULT 0,
    received    BIGINT NOT NULL DEFAULT 0,
    completed   BIGINT NOT NULL DEFAULT 0,
    retried     BIGINT NOT NULL DEFAULT 0,
    parked      BIGINT NOT NULL DEFAULT 0,
    failed      BIGINT NOT NULL DEFAULT 0,
    canceled    BIGINT NOT NULL DEFAULT 0,
    late        BIGINT NOT NULL DEFAULT 0,
    waiting     BIGINT[] NOT NULL DEFAULT '{}',
    running     BIGINT[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE public.e2e_sample_total IS
    'All that was ever counted in the seconds of e2e_sample, added in the same transactions: it never goes back, as metrics need it';
COMMENT ON COLUMN public.e2e_sample_total.domain IS 'The domain that it is about';
COMMENT ON COLUMN public.e2e_sample_total.since IS 'When the counting began (server clock)';
COMMENT ON COLUMN public.e2e_sample_total.sent IS 'Commands sent since then';
COMMENT ON COLUMN public.e2e_sample_total.received IS 'Attempts begun since then';
COMMENT ON COLUMN public.e2e_sample_total.completed IS 'Commands completed since then';
COMMENT ON COLUMN public.e2e_sample_total.retried IS 'Attempts that failed for a moment since then';
COMMENT ON COLUMN public.e2e_sample_total.parked IS 'Commands parked since then';
COMMENT ON COLUMN public.e2e_sample_total.failed IS 'Commands failed by a business rule since then';
COMMENT ON COLUMN public.e2e_sample_total.canceled IS 'Commands canceled since then';
COMMENT ON COLUMN public.e2e_sample_total.late IS 'Ends that came too late to count since then';
COMMENT ON COLUMN public.e2e_sample_total.waiting IS 'The sum of e2e_sample.waiting since then, bucket by bucket';
COMMENT ON COLUMN public.e2e_sample_total.running IS 'The sum of e2e_sample.running since then, bucket by bucket';
