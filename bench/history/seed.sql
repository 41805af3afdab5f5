-- A made history, by name (seed.py runs these; one slice of it a transaction). Everything about a command follows from its
-- number and the seed. The tables story, step, made, bulk and rejected are temporary and end with the transaction.

-- name: range
-- Where the history may begin: at an age, or behind the newest event that there is, so that events stay in the order of time.
SELECT greatest(clock_timestamp() - make_interval(days => %(days)s),
                (SELECT ts FROM commandbus.audit ORDER BY audit_id DESC LIMIT 1)) AS begins,
       clock_timestamp() AS ends,
       EXISTS (SELECT FROM commandbus.command) AS has_commands;

-- name: lock
-- Numbers of messages are drawn as a block: nobody else may draw meanwhile.
LOCK TABLE commandbus.command, public.test_command, pgmq.:"queue" IN EXCLUSIVE MODE;

-- name: settings
SELECT set_config('synchronous_commit', 'off', TRUE), set_config('work_mem', '128MB', TRUE), set_config('jit', 'off', TRUE),
       nextval(pg_get_serial_sequence(%(table)s, 'msg_id')) AS message;

-- name: story
CREATE TEMPORARY TABLE story ON COMMIT DROP AS
SELECT * FROM jsonb_to_recordset(%(stories)s::JSONB) AS s (
    story INTEGER, kind TEXT, low FLOAT8, high FLOAT8, status TEXT, attempts INTEGER, begun INTEGER, behavior JSONB,
    result JSONB, error_type TEXT, error_code TEXT, error_msg TEXT, reply JSONB, hidden_ms INTEGER, retried BOOLEAN,
    bulk TEXT, reason TEXT, spec JSONB, last_ms INTEGER, last_since INTEGER, last_operated BOOLEAN, parked_ms INTEGER,
    parked_since INTEGER);

-- name: step
CREATE TEMPORARY TABLE step ON COMMIT DROP AS
SELECT * FROM jsonb_to_recordset(%(steps)s::JSONB) AS s (
    story INTEGER, place INTEGER, event_type TEXT, delay_ms INTEGER, since INTEGER, operated BOOLEAN, details JSONB);

-- name: made
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT n, story, command_id, sent, jitter, operated, payload,
       CASE WHEN bulk_no %% 10 = 0 THEN %(replies)s ELSE '' END AS reply_queue,
       overlay(overlay(md5(%(name)s || bulk_no) PLACING '4' FROM 13) PLACING '8' FROM 17)::UUID AS correlation_id,
       %(message)s + n - %(first)s AS msg_id,
       CASE WHEN retried THEN %(message)s + %(count)s - 1 + row_number() OVER (PARTITION BY retried ORDER BY n) END AS new_msg_id,
       sent + make_interval(secs => (parked_ms + parked_since * jitter) * %(scale)s) AS parked,
       CASE WHEN last_operated THEN operated ELSE sent END
           + make_interval(secs => (last_ms + last_since * jitter) * %(scale)s) AS ended
FROM (
    SELECT d.*, s.*, n / %(bulk)s AS bulk_no, CASE WHEN s.bulk IS NULL
            THEN %(hand_at)s::TIMESTAMPTZ + draw * %(hand_span)s::INTERVAL
            ELSE %(bulk_at)s::TIMESTAMPTZ + (n - %(first)s) * interval '1 microsecond' END AS operated,
        jsonb_build_object('order', 1000000 + n, 'customer', 'C' || lpad((noise %% 100000)::TEXT, 5, '0'),
                           'amount', (noise %% 50000)::NUMERIC / 100) AS payload
    FROM (
        SELECT n, sent, noise, 1 + noise %% 25 AS jitter,
               (hashint8extended(n, %(seed)s + 1) & 9007199254740991)::FLOAT8 / 9007199254740992 AS draw,
               -- UUID version 7: the millisecond, the number, and random bits
               (lpad(to_hex(floor(extract(epoch FROM sent) * 1000)::BIGINT), 12, '0') || '7' || lpad(to_hex((n >> 2) & 4095), 3, '0')
                || to_hex(8 + (n & 3)) || lpad(to_hex(noise & 1152921504606846975), 15, '0'))::UUID AS command_id,
               -- a permutation of the numbers of what is final, so that each status has exactly as many as were asked for
               CASE WHEN n >= %(final)s THEN %(waiting)s
                    WHEN place < %(parked)s THEN 'IN_TROUBLESHOOTING_QUEUE'
                    WHEN place < %(parked)s + %(failed)s THEN 'FAILED'
                    WHEN place < %(parked)s + %(failed)s + %(canceled)s THEN 'CANCELED'
                    ELSE 'COMPLETED' END AS kind
        FROM (
            SELECT n, %(begins)s::TIMESTAMPTZ + (n - %(first)s) * %(gap)s::INTERVAL AS sent,
                   hashint8extended(n, %(seed)s) & 9223372036854775807 AS noise,
                   (n * %(stride)s + %(seed)s) %% greatest(%(final)s, 1) AS place
            FROM generate_series(%(first)s::BIGINT, %(first)s::BIGINT + %(count)s - 1) n
        ) numbered
    ) d
    JOIN story s ON s.kind = d.kind AND d.draw >= s.low AND d.draw < s.high
) chosen;

-- name: rejected
-- Messages that are no command, as senders of other programs leave them.
CREATE TEMPORARY TABLE rejected ON COMMIT DROP AS
SELECT %(message)s + %(count)s + (SELECT count(new_msg_id) FROM made) + i - 1 AS msg_id,
       %(hand_at)s::TIMESTAMPTZ + i * %(hand_span)s::INTERVAL / (%(rejected)s + 1) AS ts,
       (ARRAY['not an object', 'no command_id', 'bad command_id', 'unknown command'])[1 + kind] AS reason,
       (ARRAY['"hello"'::JSONB, jsonb_build_object('order', i), jsonb_build_object('command_id', 'order ' || i),
              jsonb_build_object('command_id', gen_random_uuid(), 'command_type', %(command_type)s, 'data', '{}'::JSONB)])[1 + kind]
           AS message
FROM generate_series(1, %(rejected)s) i CROSS JOIN LATERAL (SELECT (%(message)s + i) %% 4 AS kind) k;

-- name: move_on
SELECT setval(pg_get_serial_sequence(%(table)s, 'msg_id'), greatest(
    %(message)s, (SELECT max(msg_id) FROM made), (SELECT max(new_msg_id) FROM made), (SELECT max(msg_id) FROM rejected)));

-- name: bulk
-- Operations: one for each story that operators end by one.
CREATE TEMPORARY TABLE bulk ON COMMIT DROP AS
SELECT nextval(pg_get_serial_sequence('public.e2e_operation', 'operation_id')) AS operation_id, story.*
FROM (
    SELECT story, count(*) AS commands, max(parked) AS at, (array_agg(command_id ORDER BY parked DESC, command_id DESC))[1] AS command_id
    FROM made WHERE story IN (SELECT story FROM story WHERE bulk IS NOT NULL) GROUP BY story ORDER BY story) story;

-- name: operations
INSERT INTO public.e2e_operation (operation_id, kind, domain, state, operator, reason, spec, wanted, done, progress, created_at,
                                  started_at, next_at, beat_at, ended_at)
OVERRIDING SYSTEM VALUE
SELECT b.operation_id, s.bulk, %(domain)s, 'done', %(operator)s, s.reason,
       s.spec || jsonb_build_object('filter', jsonb_build_object('until', asked, 'since', %(begins)s::TIMESTAMPTZ, 'code', s.parked_code)),
       b.commands, b.commands, jsonb_build_object('at', b.at, 'id', b.command_id), asked, %(bulk_at)s, %(bulk_at)s, done, done
FROM bulk b
JOIN (SELECT *, details ->> 'error_code' AS parked_code FROM story s
      JOIN (SELECT story, details FROM step WHERE event_type = 'MOVED_TO_TSQ') t USING (story)) s USING (story)
CROSS JOIN LATERAL (SELECT %(bulk_at)s::TIMESTAMPTZ - interval '1000 s' * %(scale)s AS asked,
                           %(bulk_at)s::TIMESTAMPTZ + %(count)s * interval '1 microsecond' AS done) times;

-- name: commands
INSERT INTO commandbus.command (domain, queue_name, msg_id, command_id, command_type, status, attempts, max_attempts,
    last_error_type, last_error_code, last_error_msg, created_at, updated_at, reply_queue, correlation_id)
SELECT %(domain)s, %(commands)s, coalesce(new_msg_id, msg_id), command_id, %(command_type)s, status, attempts, %(max_attempts)s,
       error_type, error_code, error_msg, sent, ended, reply_queue, correlation_id
FROM made JOIN story USING (story) ORDER BY n;

-- name: test_commands
INSERT INTO public.test_command (command_id, payload, behavior, created_at, processed_at, attempts, result)
SELECT command_id, payload, behavior, sent, CASE WHEN status = 'COMPLETED' THEN ended END, begun, result
FROM made JOIN story USING (story) ORDER BY n;

-- name: parked
INSERT INTO commandbus.parked (domain, command_id, parked_at, msg_id, attempts, error_type, error_code, behavior)
SELECT %(domain)s, command_id, parked, msg_id, attempts, error_type, error_code, behavior ->> 'type'
FROM made JOIN story USING (story) WHERE status = 'IN_TROUBLESHOOTING_QUEUE' ORDER BY parked, command_id;

-- name: messages
-- In the archive: what was parked once, failed, or was canceled. In the queue: what waits.
WITH message AS (
    SELECT m.msg_id, s.status, s.attempts, m.sent, coalesce(m.parked, m.ended) AS ended, s.hidden_ms, jsonb_build_object(
               'domain', %(domain)s, 'command_type', %(command_type)s, 'command_id', command_id, 'correlation_id', correlation_id,
               'data', payload) || CASE WHEN reply_queue = '' THEN '{}' ELSE jsonb_build_object('reply_to', reply_queue) END AS message
    FROM made m JOIN story s USING (story)
    WHERE status <> 'COMPLETED' OR parked IS NOT NULL
), archived AS (
    INSERT INTO pgmq.:"archive" (msg_id, read_ct, enqueued_at, archived_at, vt, message)
    SELECT msg_id, attempts, sent, ended, ended + %(lease)s::INTERVAL, message FROM message
    WHERE status NOT IN ('PENDING', 'IN_PROGRESS')
    UNION ALL
    SELECT msg_id, 0, ts, ts, ts, message FROM rejected
    ORDER BY msg_id
)
INSERT INTO pgmq.:"queue" (msg_id, read_ct, enqueued_at, vt, message) OVERRIDING SYSTEM VALUE
SELECT msg_id, attempts, sent, ended + hidden_ms * interval '1 ms', message FROM message
WHERE status IN ('PENDING', 'IN_PROGRESS') ORDER BY msg_id;

-- name: reply_messages
INSERT INTO pgmq.:"reply_queue" (enqueued_at, vt, message)
SELECT ended, ended, jsonb_build_object('command_id', command_id, 'correlation_id', correlation_id) || reply
FROM made JOIN story USING (story) WHERE reply_queue <> '' AND reply IS NOT NULL ORDER BY ended;

-- name: events
INSERT INTO commandbus.audit (domain, command_id, event_type, ts, details_json)
SELECT %(domain)s, command_id, event_type, ts, details
FROM (
    SELECT m.command_id, e.event_type, m.n, e.place, CASE WHEN e.operated THEN m.operated ELSE m.sent END
               + make_interval(secs => (e.delay_ms + e.since * m.jitter) * %(scale)s) AS ts,
           e.details || CASE
               WHEN e.event_type = 'SENT' THEN jsonb_build_object(
                   'correlation_id', m.correlation_id, 'reply_to', nullif(m.reply_queue, ''), 'msg_id', m.msg_id)
               WHEN e.event_type = 'OPERATOR_RETRY' THEN o.told || jsonb_build_object('new_msg_id', m.new_msg_id)
               WHEN e.event_type IN ('OPERATOR_CANCEL', 'OPERATOR_COMPLETE') THEN o.told || jsonb_build_object('reply_to', nullif(m.reply_queue, ''))
               WHEN e.event_type = 'RECEIVED' THEN jsonb_build_object('msg_id', l.msg_id, 'worker', %(worker)s::UUID)
               WHEN e.event_type = 'COMPLETED' THEN jsonb_build_object('msg_id', l.msg_id, 'reply_to', nullif(m.reply_queue, ''))
               ELSE jsonb_build_object('msg_id', l.msg_id) END AS details
    FROM made m
    JOIN step e USING (story)
    LEFT JOIN bulk b USING (story)
    CROSS JOIN LATERAL (SELECT CASE WHEN e.operated THEN coalesce(m.new_msg_id, m.msg_id) ELSE m.msg_id END AS msg_id) l
    CROSS JOIN LATERAL (SELECT jsonb_strip_nulls(jsonb_build_object('operator', %(operator)s::TEXT, 'operation', b.operation_id)) AS told) o
    UNION ALL
    SELECT '00000000-0000-0000-0000-000000000000', 'MESSAGE_REJECTED', 0, msg_id, ts,
           jsonb_build_object('msg_id', msg_id, 'message', left(message::TEXT, 1024), 'reason', reason)
    FROM rejected
) event
ORDER BY ts, n, place;

-- name: not_counted
-- None of it happens now: the sampler goes on behind it.
UPDATE public.e2e_sampler
SET counted = pg_sequence_last_value(pg_get_serial_sequence('commandbus.audit', 'audit_id')::REGCLASS), horizon = NULL;

-- name: tidy
VACUUM (ANALYZE) commandbus.command, commandbus.audit, commandbus.parked, public.test_command, public.e2e_operation,
    pgmq.:"queue", pgmq.:"archive", pgmq.:"reply_queue";
