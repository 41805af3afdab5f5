-- Reads of a queue, by name (queue.py runs them). Each reads the messages from one place of the queue on, and no
-- more of them than it is told; a command is looked up by LATERAL … LIMIT 1, since the planner would hash the whole table.
-- A message whose command it no longer is (sent again since, or ended) is none that waits. Whether an attempt runs or has
-- failed and waits for the next one, the command does not tell, but its newest event of the two does, which is asked for in
-- the order of ix_audit_command_id: for "command_id =" the planner may walk through all events, where statistics are old.

-- name: messages
SELECT r.looked, r.reach, r.now, hit.*, left(t.behavior ->> 'type', 100) AS behavior
FROM (
    SELECT count(*) AS looked, max(msg_id) AS reach, clock_timestamp() AS now FROM (
        SELECT msg_id FROM pgmq.:"commands" WHERE msg_id > %(after)s ORDER BY msg_id LIMIT %(most)s
    ) looked
) r
LEFT JOIN (
    SELECT q.msg_id, q.vt, c.*, a.ts AS began, left(a.details_json ->> 'worker', 100) AS worker, s.state
    FROM (
        SELECT msg_id, vt, commandbus.command_id_of(message) AS command_id
        FROM (SELECT msg_id, vt, message FROM pgmq.:"commands" WHERE msg_id > %(after)s ORDER BY msg_id LIMIT %(most)s) look
        -- Before anything is looked up for it.
        WHERE (%(state)s::TEXT IS DISTINCT FROM 'waiting' OR vt <= clock_timestamp())
            AND (%(state)s::TEXT IS DISTINCT FROM 'delayed' OR vt > clock_timestamp())
    ) q
    CROSS JOIN LATERAL (
        SELECT command_id, msg_id AS own_msg_id, status, attempts, max_attempts, last_error_code
        FROM commandbus.command WHERE domain = %(domain)s AND command_id = q.command_id LIMIT 1
    ) c
    LEFT JOIN LATERAL (
        SELECT event_type, ts, details_json FROM commandbus.audit
        WHERE c.status = 'IN_PROGRESS' AND command_id >= q.command_id AND command_id <= q.command_id
            AND domain = %(domain)s AND event_type IN ('RECEIVED', 'FAILED')
        ORDER BY command_id DESC, audit_id DESC LIMIT 1
    ) a ON TRUE
    CROSS JOIN LATERAL (
        SELECT CASE WHEN a.event_type = 'RECEIVED' THEN 'running'
            WHEN q.vt > clock_timestamp() THEN 'delayed' ELSE 'waiting' END AS state
    ) s
    WHERE c.own_msg_id = q.msg_id AND c.status IN ('PENDING', 'IN_PROGRESS')
        AND (%(state)s::TEXT IS NULL OR s.state = %(state)s)
    ORDER BY q.msg_id LIMIT %(limit)s
) hit ON TRUE
LEFT JOIN LATERAL (SELECT behavior FROM public.test_command WHERE command_id = hit.command_id LIMIT 1) t ON TRUE
ORDER BY hit.msg_id;

-- name: counts
SELECT count(*) AS looked,
    count(*) FILTER (WHERE state = 'waiting') AS waiting,
    count(*) FILTER (WHERE state = 'running') AS running,
    count(*) FILTER (WHERE state = 'delayed') AS delayed
FROM (
    SELECT CASE WHEN a.event_type = 'RECEIVED' THEN 'running'
        WHEN c.status IS NULL THEN NULL
        WHEN q.vt > clock_timestamp() THEN 'delayed' ELSE 'waiting' END AS state
    FROM (
        SELECT msg_id, vt, commandbus.command_id_of(message) AS command_id
        FROM pgmq.:"commands" ORDER BY msg_id LIMIT %(most)s
    ) q
    LEFT JOIN LATERAL (
        SELECT status FROM commandbus.command
        WHERE domain = %(domain)s AND command_id = q.command_id AND msg_id = q.msg_id
            AND status IN ('PENDING', 'IN_PROGRESS')
        LIMIT 1
    ) c ON TRUE
    LEFT JOIN LATERAL (
        SELECT event_type FROM commandbus.audit
        WHERE c.status = 'IN_PROGRESS' AND command_id >= q.command_id AND command_id <= q.command_id
            AND domain = %(domain)s AND event_type IN ('RECEIVED', 'FAILED')
        ORDER BY command_id DESC, audit_id DESC LIMIT 1
    ) a ON TRUE
) counted;
