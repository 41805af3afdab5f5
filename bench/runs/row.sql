-- The rows of runs, by name (row.py loads them): asked for, waited for, worked off. All of it in the site's database.

-- name: ask
-- No row where as many wait as may. Who works it off itself says so by its process.
INSERT INTO public.bench_run (scenario, engines, seed, source, total, asked_by, host, pid, beat_at)
SELECT %(scenario)s, %(engines)s, %(seed)s, %(source)s::jsonb, %(total)s, %(asked_by)s, %(host)s, %(pid)s,
       clock_timestamp()
WHERE (SELECT count(*) FROM public.bench_run WHERE state = 'waiting') < %(most)s
RETURNING run_id;

-- name: cancel
-- One that waits is over with that; one that runs hears it by its next beat. Who asked first is who is named.
UPDATE public.bench_run
SET canceled_by = CASE WHEN canceled_by = '' THEN %(by)s ELSE canceled_by END,
    state = CASE WHEN state = 'waiting' THEN 'canceled' ELSE state END,
    ended_at = CASE WHEN state = 'waiting' THEN clock_timestamp() END,
    why = CASE WHEN state = 'waiting' THEN 'It was canceled before it began.' ELSE why END
WHERE run_id = %(run_id)s AND state IN ('waiting', 'running')
RETURNING state;

-- name: mark_lost
-- Called by the one that holds the lock: no other run can be alive. One that waits has a process that shows itself.
UPDATE public.bench_run
SET state = 'lost', ended_at = coalesce(beat_at, clock_timestamp()),
    why = format('Its process %%s on %%s died; this was noticed when the next run was to begin.', pid, host)
WHERE state = 'running'
   OR (state = 'waiting' AND pid IS NOT NULL AND beat_at < clock_timestamp() - make_interval(secs => %(silence_s)s));

-- name: forget_old
DELETE FROM public.bench_run
WHERE state NOT IN ('waiting', 'running')
  AND run_id <= (SELECT run_id FROM public.bench_run ORDER BY run_id DESC OFFSET %(kept)s LIMIT 1);

-- name: next_in_line
-- The oldest that waits for someone who is there: the process that asked for it, or ``manage.py bench work``.
SELECT run_id FROM public.bench_run
WHERE state = 'waiting' AND (pid IS NOT NULL OR %(served)s) ORDER BY run_id LIMIT 1;

-- name: next_asked
-- The oldest that waits for ``manage.py bench work``.
SELECT run_id FROM public.bench_run WHERE state = 'waiting' AND pid IS NULL ORDER BY run_id LIMIT 1;

-- name: served
-- Whether a program holds the lock of that name in this database.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%(lock)s, 0)) AS served;

-- name: wait
-- A sign of life of one that waits, and how many are before it. No row: it was canceled.
UPDATE public.bench_run SET beat_at = clock_timestamp()
WHERE run_id = %(run_id)s AND state = 'waiting'
RETURNING (SELECT count(*) FROM public.bench_run b
           WHERE b.state = 'running' OR (b.state = 'waiting' AND b.run_id < %(run_id)s)) AS ahead;

-- name: begin
-- No row: it was canceled a moment ago.
UPDATE public.bench_run
SET state = 'running', started_at = clock_timestamp(), beat_at = clock_timestamp(), host = %(host)s, pid = %(pid)s
WHERE run_id = %(run_id)s AND state = 'waiting'
RETURNING source, seed;

-- name: beat
UPDATE public.bench_run
SET beat_at = clock_timestamp(), phase = %(phase)s, done = %(done)s, total = %(total)s
WHERE run_id = %(run_id)s
RETURNING canceled_by;

-- name: end
UPDATE public.bench_run
SET state = %(state)s, ended_at = clock_timestamp(), beat_at = clock_timestamp(), verdict = %(verdict)s,
    as_asked = %(as_asked)s, why = %(why)s, document = %(document)s::jsonb,
    canceled_by = CASE WHEN canceled_by = '' THEN %(canceled_by)s ELSE canceled_by END
WHERE run_id = %(run_id)s;
