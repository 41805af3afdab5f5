-- What operators do, by name (operators.py runs them).

-- name: retry
SELECT commandbus.retry_commands(%(domain)s, %(ids)s, %(operator)s, %(reason)s, %(behavior)s::JSONB, %(payload)s::JSONB,
                                 %(max_attempts)s::INTEGER) AS done;

-- name: end
SELECT commandbus.end_commands(%(domain)s, %(ids)s, %(status)s, %(operator)s, %(reason)s, %(result)s::JSONB,
                               p_from => %(needed)s) AS done;

-- name: lock
-- The commands that no other transaction holds, held from now on.
SELECT c.command_id
FROM unnest(%(ids)s::UUID[]) i (command_id)
CROSS JOIN LATERAL (
    SELECT command_id FROM commandbus.command WHERE domain = %(domain)s AND command_id = i.command_id
    LIMIT 1 FOR UPDATE SKIP LOCKED
) c;

-- name: parked_until
-- A statement after the lock's: what it reads of these commands moves no more.
SELECT p.command_id
FROM unnest(%(ids)s::UUID[]) i (command_id)
CROSS JOIN LATERAL (
    SELECT command_id FROM commandbus.parked
    WHERE domain = %(domain)s AND command_id = i.command_id AND parked_at <= %(until)s LIMIT 1
) p;

-- name: why
-- Where these commands stand, whether their message is still known, and what an operator did to each last.
SELECT c.command_id, c.status, o.ts, o.event_type, left(o.details_json ->> 'operator', 150) AS operator,
    c.status = 'PENDING' OR (SELECT TRUE FROM pgmq.:"archive" WHERE msg_id = c.msg_id LIMIT 1) IS TRUE AS has_message,
    (SELECT parked_at FROM commandbus.parked WHERE domain = %(domain)s AND command_id = c.command_id LIMIT 1) AS parked_at
FROM unnest(%(ids)s::UUID[]) i (command_id)
CROSS JOIN LATERAL (
    SELECT command_id, status, msg_id FROM commandbus.command WHERE domain = %(domain)s AND command_id = i.command_id LIMIT 1
) c
LEFT JOIN LATERAL (
    SELECT ts, event_type, details_json FROM commandbus.audit
    WHERE command_id = i.command_id AND domain = %(domain)s AND event_type = ANY (%(types)s)
    ORDER BY audit_id DESC LIMIT 1
) o ON TRUE;
