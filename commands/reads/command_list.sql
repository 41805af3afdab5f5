-- Reads of the list of commands, by name (command_reads.py puts a page together and runs it). A page, a count and the first
-- candidate are made of one of the looks: candidates along one index, newest first, between two places (before, after). A look
-- is read twice in a page, so it stands in the file once and is put in its place: /* look */.
--
-- Looks order by all columns of the index that they are meant for and bound them by comparing rows: for an equality of the
-- leading column the planner takes it for constant, and may walk another index through the whole table instead.

-- name: look_sent
SELECT domain, audit_id AS place, ts AS at, command_id, NULL::BIGINT AS msg_id
FROM commandbus.audit
-- A range of one domain, in the order of ix_audit_sent: for "domain =" the planner may walk the primary key through the
-- events of all domains, and for a comparison of rows it may sort all that there are. PostgreSQL 18 enters the index at the
-- page's place (a skip scan), older ones at the domain's end.
WHERE event_type = 'SENT' AND domain >= %(domain)s AND domain <= %(domain)s
    AND audit_id < %(before)s AND audit_id > %(after)s
    AND (%(since)s::TIMESTAMPTZ IS NULL OR ts >= %(since)s::TIMESTAMPTZ)
    AND (%(until)s::TIMESTAMPTZ IS NULL OR ts < %(until)s::TIMESTAMPTZ)
ORDER BY domain DESC, audit_id DESC
LIMIT %(most)s;

-- name: look_asked
SELECT id AS place, created_at AS at, command_id, NULL::BIGINT AS msg_id, behavior, payload
FROM public.test_command
-- A bound that bounds nothing is left out: before statistics are there, the planner takes two bounds for a narrow range, which
-- it would rather sort than walk.
WHERE (%(before)s = 9223372036854775807 OR id < %(before)s) AND (%(after)s = 0 OR id > %(after)s)
ORDER BY id DESC
LIMIT %(most)s;

-- name: look_parked
-- Its copies of code and behavior are cut.
SELECT domain, parked_at AS at, command_id, NULL::BIGINT AS msg_id
FROM commandbus.parked
WHERE domain = %(domain)s
    AND (parked_at, command_id) < (%(before_at)s::TIMESTAMPTZ, %(before_id)s)
    AND (parked_at, command_id) > (%(after_at)s::TIMESTAMPTZ, %(after_id)s)
    AND (%(code)s::TEXT IS NULL OR error_code = left(%(code)s::TEXT, 100))
    AND (%(behavior)s::TEXT IS NULL OR behavior = left(%(behavior)s::TEXT, 100))
    AND (%(attempts)s::INTEGER IS NULL OR attempts >= %(attempts)s::INTEGER)
ORDER BY parked_at DESC, command_id DESC
LIMIT %(most)s;

-- name: look_ended
SELECT domain, audit_id AS place, ts AS at, command_id, NULL::BIGINT AS msg_id
FROM (
    (SELECT domain, audit_id, ts, command_id FROM commandbus.audit
     WHERE event_type = 'BUSINESS_RULE_FAILED' AND 'FAILED' = ANY (%(statuses)s::TEXT[])
        AND (domain, event_type, audit_id) < (%(domain)s, 'BUSINESS_RULE_FAILED', %(before)s)
        AND (domain, event_type, audit_id) > (%(domain)s, 'BUSINESS_RULE_FAILED', %(after)s)
     ORDER BY domain DESC, audit_id DESC LIMIT %(most)s)
    UNION ALL
    (SELECT domain, audit_id, ts, command_id FROM commandbus.audit
     WHERE event_type = 'OPERATOR_CANCEL' AND 'CANCELED' = ANY (%(statuses)s::TEXT[])
        AND (domain, event_type, audit_id) < (%(domain)s, 'OPERATOR_CANCEL', %(before)s)
        AND (domain, event_type, audit_id) > (%(domain)s, 'OPERATOR_CANCEL', %(after)s)
     ORDER BY domain DESC, audit_id DESC LIMIT %(most)s)
) ended
ORDER BY domain DESC, audit_id DESC
LIMIT %(most)s;

-- name: look_queued
SELECT %(domain)s::TEXT AS domain, msg_id AS place, enqueued_at AS at, commandbus.command_id_of(message) AS command_id, msg_id
FROM pgmq.:"commands"
WHERE (%(before)s = 9223372036854775807 OR msg_id < %(before)s) AND (%(after)s = 0 OR msg_id > %(after)s)
ORDER BY msg_id DESC
LIMIT %(most)s;

-- name: look_ids
SELECT domain, created_at AS at, command_id, NULL::BIGINT AS msg_id
FROM commandbus.command
WHERE domain = %(domain)s AND command_id >= %(first_id)s AND command_id <= %(last_id)s
    AND (%(before_id)s::UUID IS NULL OR command_id < %(before_id)s::UUID)
ORDER BY command_id DESC
LIMIT %(most)s;

-- name: look_correlation
-- Of any domain: with one in the WHERE the planner may take the primary key for the order, and walk all of it.
SELECT domain, created_at AS at, command_id, NULL::BIGINT AS msg_id
FROM commandbus.command
WHERE correlation_id = %(correlation)s AND command_id < %(before_id)s AND command_id > %(after_id)s
ORDER BY command_id DESC
LIMIT %(most)s;

-- name: look_operation
SELECT domain, left(details_json ->> 'operation', 20) AS operation, audit_id AS place, ts AS at, command_id, NULL::BIGINT AS msg_id
FROM commandbus.audit
WHERE event_type IN ('OPERATOR_RETRY', 'OPERATOR_CANCEL', 'OPERATOR_COMPLETE')
    AND left(details_json ->> 'operation', 20) = %(operation)s AND audit_id < %(before)s AND audit_id > %(after)s
    AND left(details_json ->> 'operation', 20) IS NOT NULL
ORDER BY left(details_json ->> 'operation', 20) DESC, audit_id DESC
LIMIT %(most)s;

-- name: beside
-- What was asked, of a candidate that has none of it.
LEFT JOIN LATERAL (
    SELECT behavior, payload FROM public.test_command WHERE command_id = l.command_id LIMIT 1
) t ON TRUE;

-- name: inside
-- The same, of one that is a row of test_command.
CROSS JOIN LATERAL (SELECT l.behavior, l.payload) t;

-- name: listed
c.command_type, left(t.behavior ->> 'type', 100) AS behavior, c.status, c.attempts, c.max_attempts,
left(c.last_error_code, 200) AS code, left(c.last_error_msg, 300) AS message, c.created_at, c.updated_at;

-- name: exported
-- As texts: each value that Python would have to read costs more than the row itself.
c.domain, c.command_type, left(t.behavior ->> 'type', 100) AS behavior, c.status, c.attempts,
c.max_attempts, c.last_error_type AS error_type, left(c.last_error_code, 1000) AS error_code,
left(c.last_error_msg, 10000) AS error_message, c.correlation_id::TEXT AS correlation_id,
to_json(c.created_at) #>> '{}' AS created_at, to_json(c.updated_at) #>> '{}' AS updated_at;

-- name: exported_json
-- The whole line, made here: every digit of a number stays.
json_build_object(
    'command_id', c.command_id, 'domain', c.domain, 'command_type', c.command_type, 'status', c.status,
    'attempts', c.attempts, 'max_attempts', c.max_attempts, 'error_type', c.last_error_type,
    'error_code', c.last_error_code, 'error_message', left(c.last_error_msg, 10000), 'correlation_id', c.correlation_id,
    'created_at', c.created_at, 'updated_at', c.updated_at, 'behavior', t.behavior, 'payload', t.payload
)::TEXT AS line;

-- name: page
-- The matching ones among the candidates, one more than are shown. Where they do not fill the page, and there are as many
-- candidates as are looked at: the last of those, where the next page begins. /* order */ is the look's own.
WITH hit AS (
    SELECT /* columns */, /* keys */
    FROM (/* look */) l
    CROSS JOIN LATERAL (
        SELECT * FROM commandbus.command WHERE domain = %(domain)s AND command_id = l.command_id LIMIT 1
    ) c
    /* asked */
    WHERE (l.msg_id IS NULL OR c.msg_id = l.msg_id)
        AND (%(statuses)s::TEXT[] IS NULL OR c.status = ANY (%(statuses)s::TEXT[]))
        AND (%(code)s::TEXT IS NULL OR c.last_error_code = %(code)s::TEXT)
        AND (%(command_type)s::TEXT IS NULL OR c.command_type = %(command_type)s::TEXT)
        AND (%(attempts)s::INTEGER IS NULL OR c.attempts >= %(attempts)s::INTEGER)
        AND c.correlation_id = ALL (%(correlations)s::UUID[])
        AND (%(first_id)s::UUID IS NULL OR c.command_id BETWEEN %(first_id)s::UUID AND %(last_id)s::UUID)
        AND (%(created_since)s::TIMESTAMPTZ IS NULL OR c.created_at >= %(created_since)s::TIMESTAMPTZ)
        AND (%(created_until)s::TIMESTAMPTZ IS NULL OR c.created_at < %(created_until)s::TIMESTAMPTZ)
        AND (%(behavior)s::TEXT IS NULL OR t.behavior ->> 'type' = %(behavior)s::TEXT)
        AND (%(contains)s::JSONB IS NULL OR t.payload @> %(contains)s::JSONB)
        AND (%(pattern)s::TEXT IS NULL OR t.payload::TEXT ILIKE %(pattern)s::TEXT)
    ORDER BY /* order */
    LIMIT %(shown)s + 1
)
SELECT /* reached */, /* now */ AS now, hit.*
FROM (SELECT) one
LEFT JOIN (
    SELECT l.at AS reach, /* keys */ FROM (/* look */) l
    WHERE (SELECT count(*) FROM hit) <= %(shown)s
    ORDER BY /* order */
    OFFSET %(most)s - 1 LIMIT 1
) reach ON TRUE
LEFT JOIN hit ON TRUE
ORDER BY /* shown */;

-- name: candidate
-- The newest one.
SELECT /* keys */ FROM (/* look */) l ORDER BY /* order */ LIMIT 1;

-- name: count
SELECT count(*) AS looked, count(*) FILTER (WHERE l.domain = %(domain)s) AS matching FROM (/* look */) l;

-- name: count_matching
-- Messages of the queue: which status a message's command has, its row says.
SELECT count(*) AS looked, count(*) FILTER (WHERE c.msg_id = l.msg_id AND c.status = ANY (%(statuses)s::TEXT[])) AS matching
FROM (/* look */) l
LEFT JOIN LATERAL (
    SELECT status, msg_id FROM commandbus.command WHERE domain = %(domain)s AND command_id = l.command_id LIMIT 1
) c ON TRUE;

-- name: with_id
-- Commands of any domain whose id begins so, so many at most.
SELECT d.name AS domain, c.command_id
FROM commandbus.domain d
CROSS JOIN LATERAL (
    SELECT command_id FROM commandbus.command
    WHERE domain = d.name AND command_id BETWEEN %(first_id)s AND %(last_id)s ORDER BY command_id LIMIT %(limit)s
) c
LIMIT %(limit)s;

-- name: with_correlation
-- Correlation ids that begin so, so many at most: a hop along ix_command_correlation from each to the next one, however many
-- commands it has. Of each the first commands, two at most.
WITH RECURSIVE hop AS (
    (SELECT correlation_id, 1 AS place FROM commandbus.command
     WHERE correlation_id BETWEEN %(first_id)s AND %(last_id)s ORDER BY correlation_id, command_id LIMIT 1)
    UNION ALL
    SELECT next.correlation_id, hop.place + 1
    FROM hop CROSS JOIN LATERAL (
        SELECT correlation_id FROM commandbus.command
        WHERE correlation_id > hop.correlation_id AND correlation_id <= %(last_id)s
        ORDER BY correlation_id, command_id LIMIT 1
    ) next
    WHERE hop.place < %(limit)s
)
SELECT hop.correlation_id, c.commands
FROM hop CROSS JOIN LATERAL (
    SELECT array_agg(command_id) AS commands FROM (
        SELECT command_id FROM commandbus.command
        WHERE correlation_id = hop.correlation_id ORDER BY correlation_id, command_id LIMIT 2
    ) two
) c
ORDER BY hop.correlation_id;
