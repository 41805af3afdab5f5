-- Reads of the microscope, by name (reads.py runs them).

-- name: executions
-- What handlers did with a command, where a run kept a ledger of it.
SELECT msg_id, attempt, worker, pid, began_at, ended_at, outcome
FROM public.bench_execution
WHERE command_id = %(command_id)s
ORDER BY began_at
LIMIT %(most)s;

-- name: locks
-- Who holds the row of a command or of its message at this moment, and who waits for it. A row says by its xmax which
-- transaction has locked or changed it; that transaction is open while somebody holds the lock on its number.
WITH held (what, xid) AS (
    SELECT 'command', xmax FROM commandbus.command WHERE domain = %(domain)s AND command_id = %(command_id)s
    UNION ALL
    SELECT 'message', xmax FROM pgmq.:"commands" WHERE msg_id = %(msg_id)s
)
SELECT h.what, l.granted, l.pid, a.application_name, a.state, clock_timestamp() - a.xact_start AS lasts
FROM held h
JOIN pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = h.xid AND l.pid <> pg_backend_pid()
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
ORDER BY h.what, l.granted DESC, a.xact_start
LIMIT 50;
