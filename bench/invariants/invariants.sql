-- The invariants of the bus. Each statement lists what breaks one of them: a command (or null) and what is wrong with it.
--
-- First come the tables that they read, made once for all of them from one snapshot (check.py). A command's events, its
-- row and its test_command row are one row of story, so that most rules are one walk over it. Writers commit the row of a
-- command, its events, its message and its reply together, so a rule that holds in every snapshot holds on a live bus.
--
-- Lines below a rule's name say what it is: its text, when it may be asked (A: at any time, Q: when the queue is empty),
-- what it counts as checked, whether it needs the ledgers of a run, or a run that has its database alone, and which known
-- deviations of the library's worker break it.

-- name: event
CREATE TEMP TABLE bench_event ON COMMIT DROP AS
SELECT command_id, audit_id, ts, coalesce(%(letters)s::JSONB ->> event_type, '?') AS letter,
       (details_json ->> 'msg_id')::BIGINT AS msg_id, (details_json ->> 'attempt')::INTEGER AS attempt,
       CASE event_type WHEN 'FAILED' THEN (details_json ->> 'delay_ms')::BIGINT END AS delay_ms,
       event_type = 'MOVED_TO_TSQ' AND coalesce(details_json ->> 'reason' = %(lease_expired)s, FALSE) AS expired,
       event_type <> 'RECEIVED' OR coalesce(details_json ? 'worker', FALSE) AS native
FROM commandbus.audit
WHERE domain = %(domain)s AND event_type NOT IN ('MESSAGE_REJECTED', 'BATCH_STARTED', 'BATCH_COMPLETED')
  AND command_id <> ALL (%(apart)s);

-- name: attempt
-- began and ended: places in the audit trail. A lease that ran out ends no attempt.
CREATE TEMP TABLE bench_attempt ON COMMIT DROP AS
SELECT command_id, msg_id, attempt,
       count(*) FILTER (WHERE letter = 'R') AS receives, min(ts) FILTER (WHERE letter = 'R') AS received_at,
       min(audit_id) FILTER (WHERE letter = 'R') AS began,
       count(*) FILTER (WHERE letter <> 'R' AND NOT expired) AS ends,
       min(audit_id) FILTER (WHERE letter <> 'R' AND NOT expired) AS ended,
       min(letter) FILTER (WHERE letter <> 'R' AND NOT expired) AS ended_as,
       max(ts) FILTER (WHERE letter = 'F') AS failed_at, max(delay_ms) AS delay_ms
FROM bench_event WHERE attempt IS NOT NULL GROUP BY command_id, msg_id, attempt;

-- name: story
-- whole: all letters in their order; word: without late ends. No status: there are events and no command.
CREATE TEMP TABLE bench_story ON COMMIT DROP AS
SELECT command_id, c.status, c.attempts, c.max_attempts, c.msg_id, c.reply_queue, c.updated_at,
       t.command_id IS NOT NULL AS has_row, t.attempts AS life, t.result IS NOT NULL AS has_result,
       t.processed_at IS NOT NULL AS processed,
       coalesce(e.word, '') AS word, coalesce(e.whole, '') AS whole, e.sent_at, e.first_at, e.completed_at,
       coalesce(e.most, 0) AS most, coalesce(e.native, TRUE) AS native
FROM (SELECT * FROM commandbus.command WHERE domain = %(domain)s AND command_id <> ALL (%(apart)s)) c
FULL JOIN (
    SELECT command_id, string_agg(letter, '') FILTER (WHERE letter NOT IN ('c', 'f')) AS word,
           string_agg(letter, '') AS whole, min(ts) FILTER (WHERE letter = 'S') AS sent_at,
           min(ts) FILTER (WHERE letter <> 'S') AS first_at, max(ts) FILTER (WHERE letter = 'C') AS completed_at,
           max(attempt) FILTER (WHERE letter = 'R') AS most, bool_and(native) AS native
    FROM (SELECT * FROM bench_event ORDER BY command_id, audit_id) ordered GROUP BY command_id
) e USING (command_id)
LEFT JOIN public.test_command t USING (command_id);

-- name: message
CREATE TEMP TABLE bench_message ON COMMIT DROP AS
SELECT * FROM (SELECT msg_id, commandbus.command_id_of(message) AS command_id, read_ct, vt FROM pgmq.:"queue") q
WHERE command_id IS NULL OR command_id <> ALL (%(apart)s);

-- name: rejected
CREATE TEMP TABLE bench_rejected ON COMMIT DROP AS
SELECT (details_json ->> 'msg_id')::BIGINT AS msg_id, command_id, ts FROM commandbus.audit
WHERE domain = %(domain)s AND event_type = 'MESSAGE_REJECTED';

-- name: reply
-- Those that a reader took and archived included.
CREATE TEMP TABLE bench_reply ON COMMIT DROP AS
SELECT command_id, count(*) AS n, min(outcome) AS outcome FROM (
    SELECT commandbus.command_id_of(message) AS command_id, message ->> 'outcome' AS outcome FROM pgmq.:"replies"
    UNION ALL
    SELECT commandbus.command_id_of(message), message ->> 'outcome' FROM pgmq.:"taken"
) r WHERE command_id IS NOT NULL GROUP BY command_id;

-- name: told
CREATE TEMP TABLE bench_told ON COMMIT DROP AS
SELECT command_id, bool_or(outcome = 'acknowledged') AS acknowledged, bool_or(outcome = 'unknown') AS unknown,
       bool_and(outcome = 'error') AS refused
FROM public.bench_send WHERE run_id = %(run)s::BIGINT AND command_id <> ALL (%(apart)s) GROUP BY command_id;

-- name: done
CREATE TEMP TABLE bench_done ON COMMIT DROP AS
SELECT e.command_id, e.msg_id, e.attempt, e.began_at, e.ended_at, e.outcome, a.receives, a.received_at, a.ended_as
FROM public.bench_execution e LEFT JOIN bench_attempt a USING (command_id, msg_id, attempt)
WHERE e.run_id = %(run)s::BIGINT AND e.command_id <> ALL (%(apart)s);

-- name: analyze
ANALYZE bench_event, bench_attempt, bench_story, bench_message, bench_rejected, bench_reply, bench_told, bench_done;

-- name: counts
SELECT (SELECT count(*) FROM bench_story WHERE status IS NOT NULL) AS commands,
       (SELECT count(*) FROM bench_event) AS events,
       (SELECT count(*) FROM bench_attempt) AS attempts,
       (SELECT count(*) FROM bench_message) AS messages,
       (SELECT count(*) FROM commandbus.batch WHERE domain = %(domain)s AND batch_type <> 'PROCESS') AS batches,
       (SELECT count(*) FROM bench_told) AS sends,
       (SELECT count(*) FROM bench_done) AS executions;

-- name: depth
SELECT count(*) AS n FROM (SELECT FROM pgmq.:"queue" LIMIT 1) q;

-- name: words
SELECT command_id, whole FROM bench_story WHERE command_id = ANY (%(ids)s);

-- name: L1
-- rule: What was acknowledged is there, and has come to an end
-- when: Q
-- of: sends
-- needs: ledger
SELECT t.command_id, coalesce('it is ' || s.status, 'it is not there')
FROM bench_told t LEFT JOIN bench_story s USING (command_id)
WHERE t.acknowledged AND (s.status IS NULL OR s.status IN ('PENDING', 'IN_PROGRESS'));

-- name: L2
-- rule: What is there was sent by the run
-- when: A
-- of: commands
-- needs: alone
SELECT s.command_id, s.status FROM bench_story s LEFT JOIN bench_told t USING (command_id)
WHERE s.status IS NOT NULL AND t.command_id IS NULL;

-- name: L3
-- rule: A send whose answer never came is there as a whole (recovered), or not at all
-- when: A
-- of: sends
-- needs: ledger
SELECT t.command_id, concat_ws(', ', CASE WHEN s.status IS NULL THEN 'no command' ELSE 'a command' END,
                               'events ' || nullif(s.whole, ''), CASE WHEN r.command_id IS NULL THEN 'no row' ELSE 'a row' END)
FROM bench_told t LEFT JOIN bench_story s USING (command_id) LEFT JOIN public.test_command r USING (command_id)
WHERE t.unknown AND NOT t.acknowledged
  AND ((s.status IS NULL) <> (r.command_id IS NULL) OR (s.status IS NULL) <> (coalesce(s.whole, '') = ''));

-- name: V01
-- rule: Each command has exactly one event SENT, its first
-- when: A
-- of: commands
SELECT command_id, coalesce('its word is ' || nullif(whole, ''), 'it has no event') FROM bench_story
WHERE status IS NOT NULL AND whole !~ '^S[^S]*$';

-- name: V02
-- rule: Each event is of a command that is there; only rejected messages and batches have others
-- when: A
-- of: events
SELECT command_id, 'events ' || whole || ' and no command' FROM bench_story WHERE status IS NULL
UNION ALL
SELECT command_id, 'a rejected message under a command''s id' FROM bench_rejected
WHERE command_id <> '00000000-0000-0000-0000-000000000000';

-- name: V03
-- rule: The events of each command make a word that is allowed where every attempt comes to its end in time
-- when: A
-- of: commands
-- needs: strict
-- known: D3 D4 D5 D13
-- An operator sends again what is parked (TO), or what lost its message (O alone), and cancels what waits (X).
SELECT command_id, 'its word is ' || word FROM bench_story
WHERE status IS NOT NULL AND word !~ '^S((RF)*(RT?)?O)*(X|(RF)*(R([CB]|T[KX]?)?)?)$';

-- name: V04
-- rule: The events of each command make a word that is allowed: one final event in each life, and nothing after it
-- when: A
-- of: commands
-- needs: tolerant
-- known: D3 D4 D5 D13
-- A success counts from any attempt, so after a later one's failure too.
SELECT command_id, 'its word is ' || word FROM bench_story
WHERE status IS NOT NULL AND word !~ '^S((R+F)*(R+T?)?O)*(X|(R+F)*(R+([CB]|T[KX]?)?)?|(R+F)+C)$';

-- name: V05
-- rule: No command has two messages in the queue
-- when: A
-- of: messages
-- known: D6
SELECT m.command_id, 'messages ' || string_agg(m.msg_id::TEXT, ', ' ORDER BY m.msg_id)
FROM bench_message m JOIN bench_story s USING (command_id) WHERE s.status IS NOT NULL
GROUP BY m.command_id HAVING count(*) > 1;

-- name: V06
-- rule: What waits or runs has its message in the queue, and what is final has none
-- when: A
-- of: commands
-- known: D3
-- What is canceled while it waits leaves its message to the next receive. A message that the server refuses to receive is
-- rejected, and its command waits for an operator to mend it.
SELECT s.command_id, format(CASE WHEN m.msg_id IS NULL THEN 'it is %%s, and message %%s is not in the queue'
                                 ELSE 'it is %%s, and message %%s is in the queue' END, s.status, s.msg_id)
FROM bench_story s LEFT JOIN bench_message m ON m.msg_id = s.msg_id AND m.command_id = s.command_id
WHERE CASE WHEN s.status IN ('PENDING', 'IN_PROGRESS')
           THEN m.msg_id IS NULL AND NOT EXISTS (SELECT FROM bench_rejected r WHERE r.msg_id = s.msg_id)
           ELSE m.msg_id IS NOT NULL AND s.word !~ '[SO]X$' END;

-- name: V07
-- rule: What is parked has its message in the archive, so that it can be tried again
-- when: A
-- of: commands
-- known: D3
SELECT s.command_id, format('message %%s is not its own in the archive', s.msg_id)
FROM bench_story s LEFT JOIN pgmq.:"archive" a ON a.msg_id = s.msg_id
WHERE s.status = 'IN_TROUBLESHOOTING_QUEUE' AND commandbus.command_id_of(a.message) IS DISTINCT FROM s.command_id;

-- name: V08
-- rule: The status of each command is that of its last event, late ends left out
-- when: A
-- of: commands
-- known: D3 D13
SELECT command_id, 'it is ' || status || ' after ' || word FROM bench_story
WHERE status <> CASE right(word, 1)
    WHEN 'S' THEN 'PENDING' WHEN 'O' THEN 'PENDING' WHEN 'R' THEN 'IN_PROGRESS' WHEN 'F' THEN 'IN_PROGRESS'
    WHEN 'C' THEN 'COMPLETED' WHEN 'K' THEN 'COMPLETED' WHEN 'B' THEN 'FAILED' WHEN 'X' THEN 'CANCELED'
    WHEN 'T' THEN 'IN_TROUBLESHOOTING_QUEUE' END;

-- name: V09
-- rule: The attempts of each command are those received since it was sent, or sent again
-- when: A
-- of: commands
SELECT command_id, format('%%s attempts after %%s', attempts, word) FROM (
    SELECT *, substring(word FROM '[^O]*$') AS life_now FROM bench_story WHERE status IS NOT NULL) s
WHERE attempts <> length(life_now) - length(replace(life_now, 'R', ''));

-- name: V10
-- rule: The attempts on each message are numbered 1 to n, each received once
-- when: A
-- of: attempts
-- known: D5
SELECT command_id, format('attempts %%s of message %%s', string_agg(attempt || CASE WHEN receives > 1 THEN ' twice' ELSE '' END,
                                                                   ', ' ORDER BY attempt), msg_id)
FROM bench_attempt WHERE receives > 0 GROUP BY command_id, msg_id
HAVING min(attempt) <> 1 OR max(attempt) <> count(*) OR max(receives) > 1;

-- name: V11
-- rule: No command has more attempts than it may have
-- when: A
-- of: commands
-- known: D1 D2
SELECT command_id, format('%%s attempts of %%s', greatest(attempts, most), max_attempts) FROM bench_story
WHERE greatest(attempts, most) > max_attempts;

-- name: V12
-- rule: Each execution is of an attempt that was received, and of no attempt there are two
-- when: A
-- of: executions
-- needs: ledger
-- known: D5
SELECT command_id, format('attempt %%s of message %%s was executed, and never received', attempt, msg_id)
FROM bench_done WHERE coalesce(receives, 0) = 0
UNION ALL
SELECT command_id, format('attempt %%s of message %%s was executed %%s times', attempt, msg_id, count(*))
FROM bench_done GROUP BY command_id, msg_id, attempt HAVING count(*) > 1;

-- name: V13
-- rule: No two executions of a command overlap, unless the lease of the earlier was over
-- when: A
-- of: executions
-- needs: ledger
-- known: D5 D11
SELECT one.command_id, format('attempts %%s and %%s overlap, %%s s apart', one.attempt, two.attempt,
                              round(extract(epoch FROM two.began_at - one.began_at), 3))
FROM bench_done one JOIN bench_done two USING (command_id)
WHERE (one.msg_id, one.attempt) < (two.msg_id, two.attempt)  -- as received: a worker that stood still begins late
  AND coalesce(one.ended_at, 'infinity') > two.began_at AND coalesce(two.ended_at, 'infinity') > one.began_at
  AND coalesce(one.received_at, one.began_at) + make_interval(secs => %(lease_s)s - %(slack_s)s) > two.began_at;

-- name: V14
-- rule: Each completion stands on an execution that ended well before it; none is done again without need, and none is lost
-- when: Q
-- of: executions
-- needs: ledger
-- known: D4 D5
-- Without need: before the lease of the other was over. Lost: it was no late end, and its worker had no reason to be gone.
SELECT t.command_id, 'it is COMPLETED, and no execution ended well before that'
FROM bench_told t JOIN bench_story s USING (command_id)
WHERE s.status = 'COMPLETED' AND s.completed_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM bench_done d WHERE d.command_id = t.command_id AND d.outcome = 'ok'
      AND d.ended_at <= s.completed_at + make_interval(secs => %(slack_s)s))
UNION ALL
SELECT one.command_id, format('attempts %%s and %%s both ended well', one.attempt, two.attempt)
FROM bench_done one JOIN bench_done two USING (command_id)
WHERE one.outcome = 'ok' AND two.outcome = 'ok' AND (one.msg_id, one.attempt) <> (two.msg_id, two.attempt)
  AND (one.msg_id, one.attempt) < (two.msg_id, two.attempt)  -- as received: a worker that stood still begins late
  AND (%(strict)s OR coalesce(one.received_at, one.began_at) + make_interval(secs => %(lease_s)s - %(slack_s)s)
                     > coalesce(two.received_at, two.began_at))
UNION ALL
SELECT d.command_id, format('attempt %%s ended well, and it is %%s', d.attempt, s.status)
FROM bench_done d JOIN bench_story s USING (command_id)
WHERE d.outcome = 'ok' AND s.status <> 'COMPLETED'
  AND CASE WHEN d.ended_as IS NULL THEN %(strict)s ELSE d.ended_as NOT IN ('c', 'C') END;

-- name: V15
-- rule: A command that asked for a reply has one when it is final, with its outcome, and no other has any
-- when: A
-- of: commands
-- known: D3 D4
-- Replies may be taken and deleted: that one is missing is asked only where a run has its database alone.
SELECT s.command_id, format('it is %%s, asked %%s, and has %%s replies %%s', s.status,
                            CASE s.reply_queue WHEN '' THEN 'for none' ELSE 'for one' END, coalesce(r.n, 0), r.outcome)
FROM bench_story s LEFT JOIN bench_reply r USING (command_id)
CROSS JOIN LATERAL (SELECT CASE WHEN s.reply_queue <> '' THEN CASE s.status
    WHEN 'COMPLETED' THEN 'SUCCESS' WHEN 'FAILED' THEN 'FAILED' WHEN 'CANCELED' THEN 'CANCELED' END END AS outcome) due
WHERE s.reply_queue IN ('', %(replies)s)
  AND (coalesce(r.n, 0) > (due.outcome IS NOT NULL)::INTEGER OR r.outcome <> due.outcome
       OR (%(alone)s AND due.outcome IS NOT NULL AND r.n IS NULL));

-- name: V16
-- rule: The counters of each batch are those of its members, and it is complete when all are final
-- when: A
-- of: batches
-- known: D3
-- Members of a complete batch may have been pruned.
SELECT b.batch_id, format('batch: %%s, %%s, %%s, %%s of %%s counted, %%s, %%s, %%s, %%s there (completed, failed, canceled, parked)',
                          b.completed_count, b.failed_count, b.canceled_count, b.in_troubleshooting_count, b.total_count,
                          m.completed, m.failed, m.canceled, m.parked)
FROM commandbus.batch b
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE status = 'COMPLETED') AS completed, count(*) FILTER (WHERE status = 'FAILED') AS failed,
           count(*) FILTER (WHERE status = 'CANCELED') AS canceled,
           count(*) FILTER (WHERE status = 'IN_TROUBLESHOOTING_QUEUE') AS parked
    FROM commandbus.command WHERE domain = %(domain)s AND batch_id = b.batch_id) m
WHERE b.domain = %(domain)s AND b.batch_type <> 'PROCESS'
  AND CASE WHEN b.completed_at IS NULL
           THEN (b.completed_count, b.failed_count, b.canceled_count, b.in_troubleshooting_count)
                IS DISTINCT FROM (m.completed, m.failed, m.canceled, m.parked)
           ELSE m.completed > b.completed_count OR m.failed > b.failed_count OR m.canceled > b.canceled_count OR m.parked > 0
                OR b.completed_count + b.failed_count + b.canceled_count <> b.total_count END;

-- name: V17
-- rule: No retry begins before its backoff is over
-- when: A
-- of: attempts
-- By the settings of a run; elsewhere by the delay that the failure says, since settings change.
SELECT f.command_id, format('attempt %%s began %%s ms after the failure before it, not %%s', n.attempt,
                            round(extract(epoch FROM n.received_at - f.failed_at) * 1000), round(f.due_ms))
FROM (
    SELECT command_id, msg_id, attempt, failed_at, CASE WHEN %(alone)s
               THEN least(%(max_delay_ms)s, %(base_delay_ms)s * power(%(multiplier)s::FLOAT, attempt - 1))
               ELSE delay_ms END::NUMERIC AS due_ms
    FROM bench_attempt WHERE failed_at IS NOT NULL) f
JOIN bench_attempt n ON n.command_id = f.command_id AND n.msg_id = f.msg_id AND n.attempt = f.attempt + 1
WHERE n.received_at < f.failed_at + (f.due_ms - 100) * interval '1 ms';

-- name: V18
-- rule: No message that is no command stays in the queue after it was read
-- when: A
-- of: messages
-- known: D8
SELECT m.command_id, format('message %%s was read %%s times', m.msg_id, m.read_ct)
FROM bench_message m LEFT JOIN bench_story s USING (command_id) WHERE s.status IS NULL AND m.read_ct > 1;

-- name: V19
-- rule: Each attempt ends once, after it began; no failure follows a final end, and what counts as late came late
-- when: A
-- of: attempts
-- known: D3 D4 D13
SELECT command_id, format('attempt %%s of message %%s: received %%s times, ended %%s times', attempt, msg_id, receives, ends)
FROM bench_attempt WHERE ends > 1 OR (ends = 1 AND (receives = 0 OR ended < began))
UNION ALL
SELECT command_id, 'a late end of no attempt' FROM bench_event WHERE letter IN ('c', 'f') AND attempt IS NULL
UNION ALL
SELECT command_id, 'its word is ' || whole FROM bench_story
WHERE status IS NOT NULL AND (word ~ '[CB].*F' OR whole ~ '^[^CBTKXO]*c' OR whole ~ '^[^RCBTKXO]*R?[^RCBTKXO]*f');

-- name: V20
-- rule: What senders were told adds up: what is there was acknowledged, or its answer never came
-- when: Q
-- of: sends
-- needs: ledger
SELECT t.command_id, 'its sender was told that it was not taken, and it is ' || s.status
FROM bench_told t JOIN bench_story s USING (command_id) WHERE t.refused AND s.status IS NOT NULL;

-- name: V21
-- rule: Nothing happened to a command before it was sent, by the server's clock
-- when: A
-- of: commands
-- created_at is of the sender's clock, so it is left out. A server's clock may be set back by a little.
SELECT command_id, format('sent at %%s, first event after that at %%s, changed at %%s', sent_at, first_at, updated_at)
FROM bench_story
WHERE first_at < sent_at - interval '1 s' OR (most > 0 AND updated_at < sent_at - interval '1 s');

-- name: V22
-- rule: No message stays untaken beside a worker that has nothing to do
-- when: A
-- of: messages
-- known: D10 D14
-- Not where a long transaction may hold its rows, or a worker has its outcome.
SELECT m.command_id, format('message %%s could have been taken %%s s ago', m.msg_id, round(extract(epoch FROM now() - m.vt)))
FROM bench_message m
WHERE m.vt < now() - make_interval(secs => %(patience_s)s)
  AND EXISTS (SELECT FROM public.e2e_worker WHERE queue_name = %(queue)s AND stopped_at IS NULL AND in_flight = 0
                AND beat_at > now() - make_interval(secs => %(silence_s)s)
                AND started_at < now() - make_interval(secs => %(patience_s)s)
                AND m.vt < now() - make_interval(secs => 3 * coalesce((overrides ->> 'poll_interval')::FLOAT, 0)))
  AND NOT (SELECT paused FROM public.e2e_config)
  AND NOT EXISTS (SELECT FROM bench_event WHERE ts > now() - make_interval(secs => %(patience_s)s) AND letter = 'R')
  AND NOT EXISTS (SELECT FROM bench_rejected WHERE ts > now() - make_interval(secs => %(patience_s)s))
  AND NOT EXISTS (SELECT FROM public.e2e_worker w WHERE w.stopped_at IS NULL AND w.kept @> to_jsonb(m.msg_id))
  AND NOT EXISTS (
      SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
      WHERE l.relation IN ('commandbus.command'::REGCLASS, 'public.test_command'::REGCLASS, 'pgmq.:"queue"'::REGCLASS)
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.pid <> pg_backend_pid() AND l.mode <> 'AccessShareLock'
        AND coalesce(a.xact_start < now() - interval '2 s', TRUE));

-- name: V23
-- rule: The row of each command counts the attempts of its whole life
-- when: A
-- of: commands
-- Engine native names its worker in each RECEIVED; the library's counts in a transaction of its own.
SELECT command_id, format('%%s attempts in its row after %%s', life, word) FROM bench_story
WHERE status IS NOT NULL AND has_row AND native AND life <> length(word) - length(replace(word, 'R', ''));

-- name: V24
-- rule: The row of each command has its result when it is completed, and nothing before
-- when: A
-- of: commands
SELECT command_id, format('it is %%s, and its row says that it was %%sprocessed%%s', status,
                          CASE WHEN processed THEN '' ELSE 'not ' END, CASE WHEN has_result THEN ', with a result' ELSE '' END)
FROM bench_story
WHERE has_row AND native AND (processed <> (status = 'COMPLETED') OR (has_result AND status <> 'COMPLETED'));

-- name: V25
-- rule: The list of the troubleshooting queue holds what is parked, and nothing else
-- when: A
-- of: commands
SELECT coalesce(s.command_id, p.command_id), coalesce('it is ' || s.status, 'there is no such command')
       || CASE WHEN p.command_id IS NULL THEN ' and not listed' ELSE ' and listed' END
FROM (SELECT * FROM bench_story WHERE status IS NOT NULL) s
FULL JOIN (SELECT command_id FROM commandbus.parked WHERE domain = %(domain)s AND command_id <> ALL (%(apart)s)) p
    ON p.command_id = s.command_id
WHERE (coalesce(s.status, '') = 'IN_TROUBLESHOOTING_QUEUE') <> (p.command_id IS NOT NULL);
