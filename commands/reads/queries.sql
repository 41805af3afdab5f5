-- Reads of the pages, by name (queries.py runs them). No read grows with the tables: what is listed is listed by an index.

-- name: domains
SELECT name, clock_timestamp() AS now FROM commandbus.domain ORDER BY since, name;

-- name: workers
-- Those that run, and for a while those that fell silent without having stopped: an operator should look after them.
SELECT *, beat_at >= clock_timestamp() - %(silence)s::INTERVAL AS alive
FROM public.e2e_worker
WHERE queue_name = %(queue)s AND stopped_at IS NULL AND beat_at >= clock_timestamp() - %(remembered)s::INTERVAL
ORDER BY alive DESC, started_at DESC
LIMIT 50;

-- name: newest_events
-- The events of all domains share a table, in the order of writing: a domain's newest are soon found, unless another
-- domain wrote the newest million. So no more than look_back events are looked at, and where that gives too few, the
-- events of the domain's newest commands are added (far), which an index over SENT finds.
WITH near AS MATERIALIZED (
    SELECT * FROM (SELECT * FROM commandbus.audit ORDER BY audit_id DESC LIMIT %(look_back)s) newest
    WHERE domain = %(domain)s
    ORDER BY audit_id DESC LIMIT %(limit)s
), sent AS MATERIALIZED (
    -- Planned apart from the join, for whose sake a walk through the whole table was chosen. A range of one domain, in the
    -- order of ix_audit_sent: for "domain =" the planner may walk the primary key through the events of all domains.
    SELECT command_id FROM commandbus.audit
    WHERE domain >= %(domain)s AND domain <= %(domain)s AND event_type = 'SENT'
        AND (SELECT count(*) FROM near) < %(limit)s
    ORDER BY domain DESC, audit_id DESC LIMIT %(commands)s
), far AS (
    SELECT a.*
    FROM sent
    CROSS JOIN LATERAL (
        -- The same for ix_audit_command_id: "command_id =" may be a walk through all events, where statistics are old.
        SELECT * FROM commandbus.audit
        WHERE command_id >= sent.command_id AND command_id <= sent.command_id AND domain = %(domain)s
        ORDER BY command_id DESC, audit_id DESC LIMIT %(limit)s
    ) a
    WHERE a.audit_id <> ALL (ARRAY(SELECT audit_id FROM near))
)
SELECT a.audit_id, a.command_id, a.event_type, a.ts, a.details_json AS details, a.far, t.behavior
FROM (
    SELECT *, FALSE AS far FROM near UNION ALL SELECT *, TRUE AS far FROM far ORDER BY audit_id DESC LIMIT %(limit)s
) a
LEFT JOIN LATERAL (
    SELECT left(behavior ->> 'type', 100) AS behavior FROM public.test_command WHERE command_id = a.command_id LIMIT 1
) t ON TRUE
ORDER BY a.audit_id DESC;

-- name: newest_rejected
SELECT audit_id, ts, details
FROM (
    SELECT audit_id, ts, details_json AS details
    FROM commandbus.audit
    WHERE domain = %(domain)s AND event_type = 'MESSAGE_REJECTED'
    ORDER BY audit_id DESC
    LIMIT %(limit)s
) newest
WHERE ts >= clock_timestamp() - %(within)s::INTERVAL
ORDER BY audit_id DESC;

-- name: command
-- One command, of whatever domain, with what it was asked to do and what came of it; JSON also as it is stored, every digit
-- of it, for reading.
SELECT
    c.domain, c.command_id, c.command_type, c.status, c.attempts, c.max_attempts, c.queue_name, c.msg_id, c.reply_queue,
    c.correlation_id, c.last_error_type, c.last_error_code, c.last_error_msg, c.created_at, c.updated_at,
    t.behavior, t.attempts AS life_attempts,
    left(t.behavior::TEXT, %(most)s) AS behavior_text, left(nullif(t.payload, 'null')::TEXT, %(most)s) AS payload_text,
    left(nullif(t.result, 'null')::TEXT, %(most)s) AS result_text,
    EXISTS (
        SELECT FROM public.e2e_worker w
        WHERE w.queue_name = c.queue_name AND w.stopped_at IS NULL
            AND w.beat_at >= clock_timestamp() - %(silence)s::INTERVAL
    ) AS served,
    clock_timestamp() AS now
FROM commandbus.domain d
CROSS JOIN LATERAL (
    SELECT * FROM commandbus.command WHERE domain = d.name AND command_id = %(command_id)s LIMIT 1
) c
LEFT JOIN public.test_command t ON t.command_id = c.command_id
ORDER BY d.since
LIMIT 1;

-- name: standing
-- Where some commands stand, of whatever domains; as many probes of the primary key as there are ids and domains.
SELECT DISTINCT ON (i.command_id) i.command_id, d.name AS domain, c.status
FROM unnest(%(command_ids)s::UUID[]) i (command_id)
CROSS JOIN commandbus.domain d
CROSS JOIN LATERAL (
    SELECT status FROM commandbus.command WHERE domain = d.name AND command_id = i.command_id LIMIT 1
) c
ORDER BY i.command_id, d.since;

-- name: asked
-- What was asked of a command, of whatever domain. The payload as it is stored, every digit of it: a short one over several
-- lines. One that is written with so many characters is too long to be sent again.
SELECT c.max_attempts, c.reply_queue <> '' AS reply, c.correlation_id, t.behavior, CASE
    WHEN length(t.payload::TEXT) <= 2000 AND length(jsonb_pretty(t.payload)) <= 20000 THEN jsonb_pretty(t.payload)
    WHEN length(t.payload::TEXT) <= 200000 THEN t.payload::TEXT
END AS payload
FROM commandbus.domain d
CROSS JOIN LATERAL (
    SELECT * FROM commandbus.command WHERE domain = d.name AND command_id = %(command_id)s LIMIT 1
) c
LEFT JOIN public.test_command t ON t.command_id = c.command_id
ORDER BY d.since
LIMIT 1;

-- name: message
-- A command's current message: in the queue, or in the archive; in neither once it was performed.
SELECT vt, vt > clock_timestamp() AS hidden, read_ct, enqueued_at, NULL::TIMESTAMPTZ AS archived_at
FROM pgmq.:"commands" WHERE msg_id = %(msg_id)s
UNION ALL
SELECT vt, FALSE, read_ct, enqueued_at, archived_at
FROM pgmq.:"archive" WHERE msg_id = %(msg_id)s
LIMIT 1;

-- name: events
-- One command's story: its newest 1,000 events, which is all of it unless operators retried it again and again. Details
-- that may be long come as texts, cut, and so do errors; both of the newest alone, which the page shows.
SELECT a.audit_id, a.event_type, a.ts, l.texts, CASE
    WHEN jsonb_typeof(a.details_json) <> 'object' THEN a.details_json
    WHEN a.place <= %(shown)s THEN a.details_json - %(long)s::TEXT[]
    ELSE a.details_json - %(long)s::TEXT[] - 'error_msg'
END AS details
FROM (
    SELECT audit_id, event_type, ts, details_json, row_number() OVER (ORDER BY command_id DESC, audit_id DESC) AS place
    FROM commandbus.audit
    -- A range of one command, in the order of ix_audit_command_id: see newest_events.
    WHERE command_id >= %(command_id)s AND command_id <= %(command_id)s AND domain = %(domain)s
    ORDER BY command_id DESC, audit_id DESC
    LIMIT 1000
) a
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(key, left(value::TEXT, %(most)s)) AS texts
    FROM jsonb_each(CASE WHEN jsonb_typeof(a.details_json) = 'object' THEN a.details_json ELSE '{}' END)
    WHERE key = ANY (%(long)s) AND value <> 'null'
) l ON a.place <= %(shown)s
ORDER BY a.audit_id;

-- name: workers_seen
-- Who had the attempts of a story; the rows of workers are few.
SELECT worker_id::TEXT AS worker_id, host, pid, overrides ?| %(deciding)s::TEXT[] AS own,
    stopped_at IS NULL AND beat_at >= clock_timestamp() - %(silence)s::INTERVAL AS alive
FROM public.e2e_worker
WHERE worker_id::TEXT = ANY (%(worker_ids)s);

-- name: replies
-- Replies have no index on their command, so only the newest are looked through, and as many of those that were taken.
SELECT msg_id, 'reply-' || msg_id AS key, enqueued_at, archived_at, left(message::TEXT, %(most)s) AS text,
    left(message ->> 'outcome', 100) AS outcome
FROM (
    (SELECT msg_id, enqueued_at, NULL::TIMESTAMPTZ AS archived_at, message
     FROM pgmq.:"replies" ORDER BY msg_id DESC LIMIT %(limit)s)
    UNION ALL
    (SELECT msg_id, enqueued_at, archived_at, message
     FROM pgmq.:"taken" ORDER BY msg_id DESC LIMIT %(limit)s)
) r
WHERE r.message ->> 'command_id' = %(command_id)s::TEXT
ORDER BY msg_id
LIMIT 20;

-- name: raw
-- What was asked, or what came of it, as it is stored, every character of it; NULL where it is too long for a page, and
-- nothing where there is none.
SELECT CASE WHEN length(r.text) <= %(most)s THEN r.text END AS text
FROM (
    SELECT CASE %(part)s WHEN 'behavior' THEN behavior WHEN 'payload' THEN payload ELSE result END::TEXT AS text
    FROM public.test_command WHERE command_id = %(command_id)s
) r
WHERE r.text IS NOT NULL;

-- name: audit_id_at
-- The first event at or after a moment, by bisection over the primary key: no index over ts is needed. Where the
-- transactions of several writers overlap, neighbours are not in the order of their times: ts is compared as well.
WITH RECURSIVE b (lo, hi) AS (
    SELECT min(audit_id), max(audit_id) + 1 FROM commandbus.audit
    UNION ALL
    SELECT CASE WHEN m.ts < %(moment)s THEN m.audit_id + 1 ELSE b.lo END,
           CASE WHEN m.ts < %(moment)s THEN b.hi ELSE (b.lo + b.hi) / 2 END
    FROM b CROSS JOIN LATERAL (
        SELECT audit_id, ts FROM commandbus.audit WHERE audit_id >= (b.lo + b.hi) / 2 ORDER BY audit_id LIMIT 1) m
    WHERE b.lo < b.hi
)
SELECT lo AS audit_id FROM b ORDER BY hi - lo LIMIT 1;
