-- name: newest
SELECT d.name AS domain, s.at, s.visible, s.in_flight, s.delayed, s.oldest_s, s.tsq,
       (SELECT count(*) FROM public.e2e_worker w
        WHERE w.queue_name = d.command_queue AND w.stopped_at IS NULL AND w.beat_at >= statement_timestamp() - %(silence)s) AS workers,
       t.since, t.sent, t.received, t.completed, t.retried, t.parked, t.failed, t.canceled, t.late, t.waiting, t.running
FROM commandbus.domain d
LEFT JOIN public.e2e_sample_total t ON t.domain = d.name
LEFT JOIN LATERAL (
    SELECT at, visible, in_flight, delayed, oldest_s, tsq FROM public.e2e_sample
    WHERE domain = d.name AND width_s = 1 AND at >= statement_timestamp() - %(stale)s
    ORDER BY at DESC LIMIT 1
) s ON TRUE
ORDER BY d.since, d.name;

-- name: installation
SELECT c.version, c.paused, extract(epoch FROM statement_timestamp() - p.sampled_at)::float8 AS sampler_age_s,
       b.size_bytes, b.dead_rows, b.wal_bytes, current_setting('server_version') AS postgresql
FROM (SELECT) one
LEFT JOIN public.e2e_config c ON c.id = 1
LEFT JOIN public.e2e_sampler p ON TRUE
LEFT JOIN LATERAL (
    SELECT size_bytes, dead_rows, wal_bytes FROM public.e2e_database_sample WHERE width_s = 10 ORDER BY at DESC LIMIT 1
) b ON TRUE;
