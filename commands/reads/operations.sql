-- Reads of operations, by name (operations.py runs them).

-- name: operations
-- A page, newest first. What is sent or stored may be long and is left out.
SELECT operation_id, kind, domain, state, operator, left(reason, 1000) AS reason, correlation_id, wanted, done, skipped,
    rate, canary, said, created_at, started_at, ended_at, clock_timestamp() AS now,
    extract(epoch FROM coalesce(ended_at, beat_at) - started_at)::DOUBLE PRECISION AS worked_s
FROM public.e2e_operation
WHERE %(before)s::BIGINT IS NULL OR operation_id < %(before)s
ORDER BY operation_id DESC
LIMIT %(limit)s;

-- name: operation
-- One, with its payload as text, every digit of it. silent: it is due, and nothing works it off.
SELECT operation_id, kind, domain, state, operator, reason, correlation_id, wanted, done, skipped, rate, canary, progress,
    said, created_at, started_at, ended_at, stopped_by, clock_timestamp() AS now,
    extract(epoch FROM coalesce(ended_at, beat_at) - started_at)::DOUBLE PRECISION AS worked_s,
    state IN ('waiting', 'running') AND greatest(next_at, beat_at) < clock_timestamp() - %(silence)s::INTERVAL AS silent,
    spec - '{payload,result}'::TEXT[] #- '{filter,ids}' AS spec,
    jsonb_array_length(spec #> '{filter,ids}') AS chosen,
    CASE WHEN length(spec ->> 'payload') <= 2000 THEN nullif(jsonb_pretty(spec -> 'payload'), E'{\n}')
        ELSE (spec -> 'payload')::TEXT END AS payload,
    (spec -> 'result')::TEXT AS result
FROM public.e2e_operation
WHERE operation_id = %(operation_id)s;

-- name: ends
-- Where the first so many of its commands stand now. Ids made by one send grow with time, and the index over correlation
-- ids has them in their order: named in ORDER BY, so that the planner does not read the whole table for a few.
SELECT status, count(*) AS count
FROM (
    SELECT status FROM commandbus.command WHERE correlation_id = %(correlation_id)s ORDER BY command_id LIMIT %(limit)s
) c
GROUP BY status;
