-- What a sampler would have written of a made history, hour by hour: counted from its events, and from every command
-- where a sampler measures every 64th, as there are few.
WITH event AS (
    SELECT date_trunc('hour', ts) AS at, event_type AS kind, ts,
        row_number() OVER (PARTITION BY command_id, event_type ORDER BY audit_id) AS number,
        lag(ts) OVER (PARTITION BY command_id ORDER BY audit_id) AS before
    FROM commandbus.audit WHERE domain = 'test'
), hour AS (
    SELECT generate_series(min(at), date_trunc('hour', clock_timestamp()) - interval '1 hour', interval '1 hour') AS at FROM event
), counted AS (
    SELECT at,
        count(*) FILTER (WHERE kind = 'SENT') AS sent,
        count(*) FILTER (WHERE kind = 'RECEIVED') AS received,
        count(*) FILTER (WHERE kind = 'RECEIVED' AND number = 1) AS first,
        count(*) FILTER (WHERE kind IN ('COMPLETED', 'OPERATOR_COMPLETE')) AS completed,
        count(*) FILTER (WHERE kind = 'FAILED') AS retried,
        count(*) FILTER (WHERE kind = 'MOVED_TO_TSQ') AS parked,
        count(*) FILTER (WHERE kind = 'BUSINESS_RULE_FAILED') AS failed,
        count(*) FILTER (WHERE kind = 'OPERATOR_CANCEL') AS canceled,
        count(*) FILTER (WHERE kind IN ('LATE_COMPLETED', 'LATE_FAILED')) AS late,
        count(*) FILTER (WHERE kind LIKE 'OPERATOR%') AS operated
    FROM hour LEFT JOIN event USING (at) GROUP BY at
), measured AS (
    SELECT at, kind = 'RECEIVED' AS waited, floor(log(2, greatest(1, 1000 * extract(EPOCH FROM ts - before))) * 4)::INTEGER + 1 AS bucket
    FROM event
    WHERE kind = 'RECEIVED' AND number = 1 OR kind IN ('COMPLETED', 'FAILED', 'MOVED_TO_TSQ', 'BUSINESS_RULE_FAILED')
), filled AS (
    SELECT at, waited, array_agg(number ORDER BY bucket) AS counts
    FROM (
        SELECT s.at, s.waited, b AS bucket, count(m.bucket)::INTEGER AS number
        FROM (SELECT DISTINCT at, waited FROM measured) s CROSS JOIN generate_series(0, 80) b
        LEFT JOIN measured m ON m.at = s.at AND m.waited = s.waited AND m.bucket = b
        GROUP BY s.at, s.waited, b
    ) c
    GROUP BY at, waited
)
INSERT INTO public.e2e_sample (domain, width_s, at, seconds, visible, in_flight, delayed, tsq, workers,
    sent, received, completed, retried, parked, failed, canceled, late, waiting, running, first_audit, last_audit)
SELECT 'test', 3600, c.at, 3600, greatest(0, c.sent - c.first + c.operated + c.sent / 60), ceil(c.received / 90.0), c.retried / 8,
    greatest(0, sum(c.parked - c.operated) OVER (ORDER BY c.at)), 1,
    c.sent, c.received, c.completed, c.retried, c.parked, c.failed, c.canceled, c.late,
    coalesce(w.counts, '{}'), coalesce(r.counts, '{}'), 0, 0
FROM counted c
LEFT JOIN filled w ON w.at = c.at AND w.waited
LEFT JOIN filled r ON r.at = c.at AND NOT r.waited;

-- From here on a real one goes on.
UPDATE public.e2e_sampler
SET counted = (SELECT max(audit_id) FROM commandbus.audit), sampled_at = clock_timestamp() + interval '1 hour';
