-- Messages that were no command (rejected.py and mend.py run these).

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
