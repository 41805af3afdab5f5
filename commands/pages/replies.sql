-- Replies, in the queue or in its archive (replies.py runs it): tables and the column that says since when.

-- name: replies
-- By number, newest first; of the first "most" those of a command, if one is asked for. "edge" is the first at which nobody
-- looked, where that gave too few.
WITH hit AS MATERIALIZED (
    SELECT * FROM (
        SELECT msg_id, :"at" AS at, vt, read_ct, message FROM pgmq.:"replies"
        WHERE msg_id < %(before)s ORDER BY msg_id DESC LIMIT %(most)s) r
    WHERE %(command_id)s::UUID IS NULL OR commandbus.command_id_of(message) = %(command_id)s::UUID
    ORDER BY msg_id DESC LIMIT %(limit)s
), edge AS (
    SELECT msg_id, :"at" AS at FROM pgmq.:"replies"
    WHERE msg_id < %(before)s AND (SELECT count(*) FROM hit) < %(limit)s
    ORDER BY msg_id DESC OFFSET %(most)s LIMIT 1
)
SELECT edge.msg_id AS edge, edge.at AS edge_at, hit.msg_id, hit.at, hit.read_ct, hit.vt > clock_timestamp() AS hidden,
    commandbus.command_id_of(hit.message) AS command_id, left(hit.message ->> 'outcome', 100) AS outcome,
    left(hit.message::TEXT, %(shown)s) AS text
FROM (SELECT TRUE) one LEFT JOIN edge ON TRUE LEFT JOIN hit ON TRUE
ORDER BY hit.msg_id DESC;
