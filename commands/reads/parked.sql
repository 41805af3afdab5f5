-- Reads of the troubleshooting queue, by name (parked.py runs them). They walk ix_parked_newest backwards; what else a row
-- shows is looked up for the rows of one page. LATERAL … LIMIT 1, because the planner would read whole tables instead.

-- name: page
-- The rows of a page, and one more. Messages of errors are in another table: where they are searched, no more than so many
-- commands (most) are looked at. A first failure is the first event of that kind, of which a story rarely has many: in the order
-- of ix_audit_command_id, since for "command_id =" the planner may walk through all events, where statistics are old.
SELECT p.command_id, p.parked_at, p.error_type, p.error_code, p.behavior, p.attempts, p.max_attempts, p.message, (
        SELECT ts FROM commandbus.audit
        WHERE command_id >= p.command_id AND command_id <= p.command_id AND domain = %(domain)s
            AND event_type IN ('FAILED', 'MOVED_TO_TSQ')
        ORDER BY command_id, audit_id LIMIT 1
    ) AS first_failed
FROM (
    SELECT p.*, c.max_attempts, left(c.last_error_msg, 1000) AS message
    FROM (
        SELECT * FROM commandbus.parked
        WHERE domain = %(domain)s AND parked_at <= %(until)s
            AND (parked_at, command_id) < (%(at)s, %(id)s)
            AND (%(since)s::TIMESTAMPTZ IS NULL OR parked_at >= %(since)s)
            AND (%(code)s::TEXT IS NULL OR error_code = %(code)s)
            AND (%(error_type)s::TEXT IS NULL OR error_type = %(error_type)s)
            AND (%(behavior)s::TEXT IS NULL OR behavior = %(behavior)s)
        ORDER BY parked_at DESC, command_id DESC LIMIT %(most)s
    ) p
    CROSS JOIN LATERAL (
        SELECT max_attempts, last_error_msg FROM commandbus.command
        WHERE domain = %(domain)s AND command_id = p.command_id LIMIT 1
    ) c
    WHERE %(text)s = '' OR c.last_error_msg ILIKE %(pattern)s
    ORDER BY p.parked_at DESC, p.command_id DESC LIMIT %(limit)s
) p
ORDER BY p.parked_at DESC, p.command_id DESC;

-- name: reach
-- The last command that was looked at, where the look ended at its bound.
SELECT parked_at, command_id FROM commandbus.parked
WHERE domain = %(domain)s AND parked_at <= %(until)s
    AND (parked_at, command_id) < (%(at)s, %(id)s)
    AND (%(since)s::TIMESTAMPTZ IS NULL OR parked_at >= %(since)s)
    AND (%(code)s::TEXT IS NULL OR error_code = %(code)s)
    AND (%(error_type)s::TEXT IS NULL OR error_type = %(error_type)s)
    AND (%(behavior)s::TEXT IS NULL OR behavior = %(behavior)s)
ORDER BY parked_at DESC, command_id DESC OFFSET %(most)s - 1 LIMIT 1;

-- name: count
-- To a limit; whatever their messages say.
SELECT count(*) FROM (
    SELECT FROM commandbus.parked
    WHERE domain = %(domain)s AND parked_at <= %(until)s
        AND (%(since)s::TIMESTAMPTZ IS NULL OR parked_at >= %(since)s)
        AND (%(code)s::TEXT IS NULL OR error_code = %(code)s)
        AND (%(error_type)s::TEXT IS NULL OR error_type = %(error_type)s)
        AND (%(behavior)s::TEXT IS NULL OR behavior = %(behavior)s)
    LIMIT %(limit)s
) p;

-- name: moment
-- The database's clock, and whether a command was ever sent.
SELECT clock_timestamp() AS now, EXISTS (SELECT FROM commandbus.command WHERE domain = %(domain)s) AS any_sent;

-- name: groups
-- By code and behavior, the largest first; since: how many were parked since each of the limits, which are times, oldest first.
-- Counted by filters, because a third thing to group by has the planner sort the whole table.
SELECT error_code, behavior, count(*) AS count, min(parked_at) AS oldest, max(parked_at) AS newest, ARRAY[
        count(*) FILTER (WHERE parked_at >= (%(limits)s::TIMESTAMPTZ[])[1]),
        count(*) FILTER (WHERE parked_at >= (%(limits)s::TIMESTAMPTZ[])[2]),
        count(*) FILTER (WHERE parked_at >= (%(limits)s::TIMESTAMPTZ[])[3]),
        count(*) FILTER (WHERE parked_at >= (%(limits)s::TIMESTAMPTZ[])[4]),
        count(*) FILTER (WHERE parked_at >= (%(limits)s::TIMESTAMPTZ[])[5]),
        count(*) FILTER (WHERE parked_at >= (%(limits)s::TIMESTAMPTZ[])[6])
    ] AS since
FROM commandbus.parked WHERE domain = %(domain)s AND parked_at <= %(until)s
GROUP BY 1, 2 ORDER BY count DESC, error_code, behavior LIMIT %(limit)s;

-- name: standing
-- The domain and the status of a command, of whatever domain.
SELECT c.domain, c.status
FROM commandbus.domain d
CROSS JOIN LATERAL (
    SELECT domain, status FROM commandbus.command WHERE domain = d.name AND command_id = %(command_id)s LIMIT 1
) c
ORDER BY d.since
LIMIT 1;
