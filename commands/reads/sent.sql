-- Reads of all that one bulk send sent, by name (sent.py runs them). Its commands have one correlation id, which has an index.

-- name: standing
SELECT status, count(*) AS count FROM commandbus.command WHERE correlation_id = %(correlation_id)s GROUP BY status;

-- name: ends
-- How many commands of each behavior stand where; asked once, when all of them are over.
SELECT t.behavior, c.max_attempts, c.reply_queue <> '' AS reply, c.status, count(*) AS count
FROM commandbus.command c
JOIN public.test_command t ON t.command_id = c.command_id
WHERE c.correlation_id = %(correlation_id)s
GROUP BY 1, 2, 3, 4
ORDER BY count DESC, c.status;

-- name: samples
SELECT c.command_id
FROM commandbus.command c
JOIN public.test_command t ON t.command_id = c.command_id
WHERE c.correlation_id = %(correlation_id)s AND c.status = %(status)s AND t.behavior = %(behavior)s::jsonb
ORDER BY c.command_id LIMIT %(limit)s;
