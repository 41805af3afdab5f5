-- What is odd today, by name (odd.py runs it). Each look is bounded: the first entry of an index, a small table, or the
-- newest look_back events.

-- name: odd
SELECT clock_timestamp() AS now, due.vt AS oldest_due, late.number AS late, late.newest AS late_newest,
    operations.number AS operations, operations.waiting AS operations_waiting,
    parked.code, parked.behavior, parked.number AS parked, parked.looked, parked.oldest
FROM (
    SELECT count(*) AS number, max(ts) AS newest FROM (
        SELECT domain, event_type, ts FROM commandbus.audit ORDER BY audit_id DESC LIMIT %(look_back)s
    ) newest
    WHERE domain = %(domain)s AND event_type = ANY (%(late)s) AND ts >= clock_timestamp() - %(lately)s::INTERVAL
) late
CROSS JOIN (
    SELECT count(*) AS number, count(*) FILTER (WHERE state = 'waiting') AS waiting
    FROM (SELECT state FROM public.e2e_operation WHERE state IN ('waiting', 'running') AND domain = %(domain)s LIMIT 100) o
) operations
LEFT JOIN LATERAL (SELECT vt FROM pgmq.:"commands" ORDER BY vt LIMIT 1) due ON TRUE
LEFT JOIN LATERAL (
    -- The largest group of what is parked, up to most of it: beyond that "at least".
    SELECT error_code AS code, behavior, count(*) AS number, sum(count(*)) OVER () AS looked,
        min(min(parked_at)) OVER () AS oldest
    FROM (
        SELECT error_code, behavior, parked_at FROM commandbus.parked WHERE domain = %(domain)s LIMIT %(most)s
    ) p
    GROUP BY error_code, behavior
    ORDER BY number DESC, code, behavior
    LIMIT 1
) parked ON TRUE;
