-- Replies, and messages that were no command, by name (messages.py runs these).

-- name: rejected
-- By ix_audit_rare: a range of one domain, since for "domain =" the planner may walk the primary key. ``kept``: the archive
-- still has the message.
SELECT a.audit_id, a.ts, a.msg_id, left(a.details_json ->> 'reason', 300) AS reason,
    left(a.details_json ->> 'message', 1100) AS message, m.kept IS NOT NULL AS kept
FROM (
    SELECT audit_id, ts, details_json, CASE WHEN details_json ->> 'msg_id' ~ '^[0-9]{1,18}$'
        THEN (details_json ->> 'msg_id')::BIGINT END AS msg_id
    FROM commandbus.audit
    WHERE domain >= %(domain)s AND domain <= %(domain)s AND event_type = 'MESSAGE_REJECTED' AND audit_id < %(before)s
    ORDER BY domain DESC, audit_id DESC LIMIT %(limit)s) a
LEFT JOIN LATERAL (SELECT TRUE AS kept FROM pgmq.:"archive" WHERE msg_id = a.msg_id LIMIT 1) m ON TRUE
ORDER BY a.audit_id DESC;

-- name: event
SELECT domain, ts, details_json ->> 'reason' AS reason, details_json ->> 'message' AS message, clock_timestamp() AS now,
    CASE WHEN details_json ->> 'msg_id' ~ '^[0-9]{1,18}$' THEN (details_json ->> 'msg_id')::BIGINT END AS msg_id
FROM commandbus.audit WHERE audit_id = %(audit_id)s AND event_type = 'MESSAGE_REJECTED';

-- name: message
-- A rejected message as it was; one that is too long to be edited is null.
SELECT CASE WHEN length(message::TEXT) <= %(most)s THEN jsonb_pretty(message) END AS text
FROM pgmq.:"archive" WHERE msg_id = %(msg_id)s;

-- name: replies
-- Of a queue or of its archive, whose column "at" says since when. By number, newest first; of the first "most" those of a
-- command, if one is asked for. "edge" is the first at which nobody looked, where that gave too few.
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
