-- name: series
SELECT at, seconds, visible, in_flight, delayed, oldest_s, tsq, workers, sent, received, completed, retried, parked, failed,
       canceled, late, waiting, running
FROM public.e2e_sample
WHERE domain = %(domain)s AND width_s = %(width_s)s AND at >= %(since)s AND at < %(until)s
ORDER BY at;

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
