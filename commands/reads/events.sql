-- Events of the audit, newest first (events.py runs them). "page" and "edge" are whole statements but for their candidates,
-- which are one of the walks below: the one whose index fits the filter. A walk is ordered, and read as far as it is needed.

-- name: page
-- Of the first "most" candidates those that the filter meets, no more than "limit".
SELECT audit_id, ts, domain, event_type, command_id, left(details_json ->> 'operator', 150) AS operator,
    details_json::TEXT AS details
FROM (/*candidates*/ LIMIT %(most)s) a
WHERE domain = %(domain)s
    AND (%(types)s::TEXT[] IS NULL OR event_type = ANY (%(types)s::TEXT[]))
    AND (%(since)s::TIMESTAMPTZ IS NULL OR ts >= %(since)s::TIMESTAMPTZ)
    AND (%(until)s::TIMESTAMPTZ IS NULL OR ts < %(until)s::TIMESTAMPTZ)
    AND (%(operator)s = '' OR left(details_json ->> 'operator', 150) = %(operator)s)
    AND (%(operation)s::BIGINT IS NULL OR left(details_json ->> 'operation', 20) = %(operation)s::TEXT)
    AND (%(alone)s IS NOT TRUE OR details_json ->> 'operation' IS NULL)
    AND (%(patterns)s::TEXT[] IS NULL OR details_json::TEXT ILIKE ANY (%(patterns)s::TEXT[]))
ORDER BY audit_id DESC LIMIT %(limit)s;

-- name: edge
-- The first candidate behind these; none where they were all.
SELECT audit_id, ts FROM (/*candidates*/ OFFSET %(most)s LIMIT 1) a;

-- name: window
-- Events of all domains and types, in the order of writing.
SELECT * FROM commandbus.audit WHERE audit_id < %(before)s AND audit_id >= %(from)s ORDER BY audit_id DESC;

-- name: of_command
-- By ix_audit_command_id. A range of one id, in the index's own order: for an equality alone the planner may walk the
-- primary key, since rejected messages share one id.
SELECT * FROM commandbus.audit
WHERE command_id >= %(command_id)s AND command_id <= %(command_id)s AND audit_id < %(before)s AND audit_id >= %(from)s
ORDER BY command_id DESC, audit_id DESC;

-- name: of_operators
-- By ix_audit_action, whose condition this repeats.
SELECT * FROM commandbus.audit
WHERE event_type IN ('OPERATOR_RETRY', 'OPERATOR_CANCEL', 'OPERATOR_COMPLETE')
    AND audit_id < %(before)s AND audit_id >= %(from)s
ORDER BY audit_id DESC;

-- name: of_operator
-- By ix_audit_operator, whose expression and condition this repeats.
SELECT * FROM commandbus.audit
WHERE event_type IN ('OPERATOR_RETRY', 'OPERATOR_CANCEL', 'OPERATOR_COMPLETE')
    AND left(details_json ->> 'operator', 150) = %(operator)s AND audit_id < %(before)s AND audit_id >= %(from)s
ORDER BY audit_id DESC;

-- name: of_operation
-- By ix_audit_operation, whose expression and condition this repeats.
SELECT * FROM commandbus.audit
WHERE event_type IN ('OPERATOR_RETRY', 'OPERATOR_CANCEL', 'OPERATOR_COMPLETE')
    AND left(details_json ->> 'operation', 20) IS NOT NULL
    AND left(details_json ->> 'operation', 20) = %(operation)s::TEXT AND audit_id < %(before)s AND audit_id >= %(from)s
ORDER BY audit_id DESC;

-- name: rare
-- By ix_audit_rare. A range of one domain, as above.
SELECT * FROM commandbus.audit
WHERE domain >= %(domain)s AND domain <= %(domain)s AND event_type = %(rare)s
    AND audit_id < %(before)s AND audit_id >= %(from)s
ORDER BY domain DESC, audit_id DESC;

-- name: one
SELECT a.audit_id, a.ts, a.domain, a.event_type, a.command_id, left(a.details_json::TEXT, %(shown)s) AS details,
    clock_timestamp() AS now
FROM commandbus.audit a WHERE a.audit_id = %(audit_id)s;

-- name: behaviors
SELECT i.command_id, t.behavior
FROM unnest(%(ids)s::UUID[]) i (command_id)
CROSS JOIN LATERAL (
    SELECT left(behavior ->> 'type', 100) AS behavior FROM public.test_command WHERE command_id = i.command_id LIMIT 1) t;
