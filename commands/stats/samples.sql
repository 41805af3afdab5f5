-- name: series
-- Several spans, each of a width of its own, in one statement.
SELECT r.width_s, s.*
FROM unnest(%(widths)s::INTEGER[], %(sinces)s::TIMESTAMPTZ[], %(untils)s::TIMESTAMPTZ[])
    WITH ORDINALITY r (width_s, since, until, place)
CROSS JOIN LATERAL (
    SELECT at, seconds, visible, in_flight, delayed, oldest_s, tsq, workers, sent, received, completed, retried, parked,
           failed, canceled, late, waiting, running
    FROM public.e2e_sample
    WHERE domain = %(domain)s AND width_s = r.width_s AND at >= r.since AND at < r.until
) s
ORDER BY r.place, s.at;

-- name: latest
SELECT at, seconds, visible, in_flight, delayed, oldest_s, tsq, workers, sent, received, completed, retried, parked, failed,
       canceled, late, waiting, running
FROM public.e2e_sample
WHERE domain = %(domain)s AND width_s = 1
ORDER BY at DESC LIMIT 1;

-- name: sampler
SELECT sampler, sampled_at, counted_at, clock_timestamp() AS now FROM public.e2e_sampler;

-- name: database_series
SELECT at, size_bytes, dead_rows, wal_bytes
FROM public.e2e_database_sample
WHERE width_s = %(width_s)s AND at >= %(since)s AND at < %(until)s
ORDER BY at;

-- name: database_latest
SELECT at, size_bytes, dead_rows, wal_bytes
FROM public.e2e_database_sample
WHERE width_s = 10
ORDER BY at DESC LIMIT 1;
