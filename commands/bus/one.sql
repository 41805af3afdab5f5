-- Sending one command, by name (one.py runs it). What sends is commandbus.send_commands.

-- name: compared
-- A command that is there, beside what is asked for under its id; as jsonb, so that every digit counts.
SELECT c.domain, c.max_attempts, c.reply_queue <> '' AS reply, c.correlation_id,
    t.behavior IS NOT DISTINCT FROM %(behavior)s::JSONB AS same_behavior,
    t.payload IS NOT DISTINCT FROM %(payload)s::JSONB AS same_payload
FROM commandbus.domain d
CROSS JOIN LATERAL (
    SELECT * FROM commandbus.command WHERE domain = d.name AND command_id = %(command_id)s LIMIT 1
) c
LEFT JOIN public.test_command t ON t.command_id = c.command_id
ORDER BY d.since
LIMIT 1;
