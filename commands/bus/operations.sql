-- Operations, by name (operations.py runs them). What works them off is commandbus.work_operation.

-- name: count_parked
-- How many; by their messages, which are in another table, only among the newest so many.
SELECT count(*) FILTER (WHERE %(text)s = '' OR (
    SELECT last_error_msg ILIKE %(pattern)s FROM commandbus.command WHERE domain = %(domain)s AND command_id = p.command_id LIMIT 1))
FROM (
    SELECT command_id FROM commandbus.parked
    WHERE domain = %(domain)s AND parked_at <= %(until)s
        AND (%(since)s::TIMESTAMPTZ IS NULL OR parked_at >= %(since)s)
        AND (%(code)s::TEXT IS NULL OR error_code = %(code)s)
        AND (%(error_type)s::TEXT IS NULL OR error_type = %(error_type)s)
        AND (%(behavior)s::TEXT IS NULL OR behavior = %(behavior)s)
        AND (%(ids)s::UUID[] IS NULL OR command_id = ANY (%(ids)s))
    ORDER BY parked_at DESC LIMIT CASE WHEN %(text)s = '' THEN NULL ELSE %(most)s END
) p;

-- name: create
INSERT INTO public.e2e_operation (kind, domain, operator, reason, spec, wanted, rate, canary, correlation_id)
VALUES (%(kind)s, %(domain)s, %(operator)s, %(reason)s, %(spec)s::JSONB || CASE WHEN %(filtered)s THEN jsonb_build_object(
    'filter', jsonb_strip_nulls(jsonb_build_object(
        'until', %(until)s::TIMESTAMPTZ, 'since', %(since)s::TIMESTAMPTZ, 'code', %(code)s::TEXT, 'behavior', %(behavior)s::TEXT,
        'error_type', %(error_type)s::TEXT, 'text', nullif(%(text)s::TEXT, ''), 'pattern', CASE WHEN %(text)s <> '' THEN %(pattern)s::TEXT END, 'ids', %(ids)s::UUID[]))) ELSE '{}' END,
    %(wanted)s, %(rate)s, %(canary)s, coalesce(%(key)s::UUID, gen_random_uuid()))
ON CONFLICT (correlation_id) DO NOTHING
RETURNING operation_id;

-- name: asked_before
SELECT operation_id FROM public.e2e_operation WHERE correlation_id = %(key)s;

-- name: cancel
UPDATE public.e2e_operation
SET state = 'canceled', stopped_by = %(by)s, said = 'Canceled by ' || %(by)s || '.', ended_at = clock_timestamp()
WHERE operation_id = %(operation_id)s AND state IN ('waiting', 'running')
RETURNING operation_id;
