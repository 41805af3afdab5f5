-- Prune: history that is finished and old goes, a bounded piece a call, without waiting for anybody.
--
-- Nothing is indexed by status or by time of change, since that would take HOT updates away. Old commands are found by
-- the order of writing instead. What ends a command is an event in commandbus.audit, which only grows and whose audit_id
-- is the order of time. prune_commands goes up that table, looks at no more events a call than it is told, and stops at
-- the first that is young. A command that is live or parked has no end there yet; when it gets one, that event stands
-- further up. So no part has to be walked twice: prune_position says how far each walk has come, and a call costs what
-- has become old since the last one, whatever is young, live or parked. What was old and could not go holds the position
-- back, and is met again.
--
-- Locks: a row of command or test_command that someone else holds is skipped (SKIP LOCKED); all others that are deleted
-- here nobody changes. lock_timeout is for what cannot be skipped, such as a lock on a whole table: an error, not a wait.

CREATE OR REPLACE FUNCTION commandbus.prune_start(p_domain TEXT, p_walk TEXT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
    v_position BIGINT;
    v_last BIGINT;
BEGIN
    SELECT position INTO v_position FROM commandbus.prune_position WHERE domain = p_domain AND walk = p_walk;
    IF p_walk = 'audit' THEN
        SELECT max(audit_id) INTO v_last FROM commandbus.audit;
    ELSE
        EXECUTE format('SELECT max(msg_id) FROM pgmq.%I', 'a_' || p_domain || '__commands') INTO v_last;
    END IF;
    -- Numbers that begin anew, as after a TRUNCATE … RESTART IDENTITY, are walked from their beginning.
    RETURN CASE WHEN v_position <= v_last THEN v_position ELSE 0 END;
END
$$;
COMMENT ON FUNCTION commandbus.prune_start(TEXT, TEXT) IS 'The p_after with which a walk of prune begins, from prune_position';

-- ------------------------------------------------------------------------------------------------------- commands

CREATE OR REPLACE FUNCTION commandbus.prunable(p_domain TEXT, p_ids UUID[], p_before TIMESTAMPTZ) RETURNS UUID[]
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off
AS $$
DECLARE
    v_ids UUID[];
BEGIN
    -- A message still in the queue would find its command gone and be rejected.
    EXECUTE format(
        'SELECT coalesce(array_agg(c.command_id), ''{}'') FROM unnest($2) i (command_id)
         CROSS JOIN LATERAL (SELECT command_id, msg_id, status, updated_at FROM commandbus.command
                             WHERE domain = $1 AND command_id = i.command_id LIMIT 1) c
         LEFT JOIN LATERAL (SELECT TRUE AS waits FROM pgmq.%I WHERE msg_id = c.msg_id LIMIT 1) q ON TRUE
         WHERE c.status IN (''COMPLETED'', ''FAILED'', ''CANCELED'') AND c.updated_at < $3 AND q.waits IS NULL',
        'q_' || p_domain || '__commands')
    INTO v_ids USING p_domain, p_ids, p_before;
    RETURN v_ids;
END
$$;
COMMENT ON FUNCTION commandbus.prunable(TEXT, UUID[], TIMESTAMPTZ) IS
    'Part of prune_commands: which of these commands are final, last changed before p_before, and have no message in the queue';

CREATE OR REPLACE FUNCTION commandbus.prune_whole(
    p_domain TEXT, p_ids UUID[], p_before TIMESTAMPTZ, OUT commands INTEGER, OUT events INTEGER, OUT messages INTEGER
)
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_ids UUID[];
    v_msg_ids BIGINT[];
    v_command_rows TID[];
    v_test_rows TID[];
    v_named UUID[];          -- the commands that …
    v_messages BIGINT[];     -- … these messages were of, an operator's retries included
BEGIN
    SELECT coalesce(array_agg(command_id), '{}'), array_agg(msg_id), array_agg(command_row), array_agg(test_row)
    INTO v_ids, v_msg_ids, v_command_rows, v_test_rows
    FROM (
        SELECT c.command_id, c.msg_id, c.command_row, t.test_row
        FROM unnest(commandbus.prunable(p_domain, p_ids, p_before)) i (command_id)
        CROSS JOIN LATERAL (
            SELECT ctid AS command_row, command_id, msg_id FROM commandbus.command
            WHERE domain = p_domain AND command_id = i.command_id
              AND status IN ('COMPLETED', 'FAILED', 'CANCELED') AND updated_at < p_before
            LIMIT 1 FOR UPDATE SKIP LOCKED
        ) c
        LEFT JOIN LATERAL (
            SELECT ctid AS test_row FROM public.test_command
            WHERE command_id = i.command_id LIMIT 1 FOR UPDATE SKIP LOCKED
        ) t ON TRUE
        -- No row, or one that someone else holds? The latter keeps its command.
        CROSS JOIN LATERAL (
            SELECT t.test_row IS NULL
                   AND (SELECT TRUE FROM public.test_command WHERE command_id = i.command_id LIMIT 1) IS TRUE AS held
        ) h
        WHERE NOT h.held
    ) locked;
    -- (For "= ANY ('{}')" the planner may walk a whole partial index: whatever its predicate, no row contradicts it.)
    IF v_ids = '{}' THEN
        commands := 0;
        events := 0;
        messages := 0;
        RETURN;
    END IF;

    WITH gone AS (
        DELETE FROM commandbus.audit WHERE command_id = ANY (v_ids) AND domain = p_domain
        RETURNING command_id, details_json
    ), named AS (
        SELECT command_id, msg_id FROM unnest(v_ids, v_msg_ids) AS l (command_id, msg_id) WHERE msg_id IS NOT NULL
        UNION
        SELECT g.command_id, n.msg_id::BIGINT FROM gone g
        CROSS JOIN LATERAL (VALUES (g.details_json ->> 'msg_id'), (g.details_json ->> 'new_msg_id')) AS n (msg_id)
        WHERE n.msg_id ~ '^\d{1,18}$'
    )
    SELECT (SELECT count(*) FROM gone), array_agg(command_id), array_agg(msg_id)
    INTO events, v_named, v_messages FROM named;
    EXECUTE format(
        'WITH gone AS (
             DELETE FROM pgmq.%I a USING unnest($1, $2) AS n (command_id, msg_id)
             WHERE a.msg_id = n.msg_id AND commandbus.command_id_of(a.message) = n.command_id RETURNING a.msg_id)
         SELECT count(*) FROM gone', 'a_' || p_domain || '__commands')
    INTO messages USING v_named, v_messages;
    DELETE FROM commandbus.payload_archive WHERE domain = p_domain AND command_id = ANY (v_ids);
    DELETE FROM public.test_command WHERE ctid = ANY (v_test_rows);
    DELETE FROM commandbus.command WHERE ctid = ANY (v_command_rows);
    commands := cardinality(v_ids);
END
$$;
COMMENT ON FUNCTION commandbus.prune_whole(TEXT, UUID[], TIMESTAMPTZ) IS
    'Part of prune_commands: removes those of these commands that are prunable and that nobody holds, with everything of '
    'theirs - events, test_command row, archived messages, payload; answers how many of each';

CREATE OR REPLACE FUNCTION commandbus.prune_batch(
    p_domain TEXT, p_batch_id UUID, p_before TIMESTAMPTZ, p_limit INTEGER, p_dry BOOLEAN,
    OUT commands INTEGER, OUT events INTEGER, OUT messages INTEGER, OUT batches INTEGER, OUT outcome TEXT
)
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_members UUID[] := ARRAY(
        SELECT command_id FROM commandbus.command WHERE domain = p_domain AND batch_id = p_batch_id
        LIMIT CASE WHEN p_dry THEN 100000 ELSE p_limit END);
BEGIN
    events := 0;
    messages := 0;
    batches := 0;
    IF p_dry THEN
        commands := cardinality(commandbus.prunable(p_domain, v_members, p_before));
        batches := (commands = cardinality(v_members))::INTEGER;
        outcome := 'done';
        RETURN;
    END IF;
    SELECT w.commands, w.events, w.messages INTO commands, events, messages
    FROM commandbus.prune_whole(p_domain, v_members, p_before) w;
    IF v_members <> '{}' THEN
        outcome := CASE commands WHEN 0 THEN 'held' ELSE 'more' END;
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM commandbus.batch WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM commandbus.batch WHERE domain = p_domain AND batch_id = p_batch_id FOR UPDATE SKIP LOCKED))
        RETURNING batch_id)
    SELECT count(*) INTO batches FROM gone;
    outcome := CASE batches WHEN 0 THEN 'held' ELSE 'done' END;
    IF batches > 0 THEN
        WITH gone AS (
            DELETE FROM commandbus.audit WHERE command_id = p_batch_id AND domain = p_domain
            AND event_type IN ('BATCH_STARTED', 'BATCH_COMPLETED') RETURNING audit_id)
        SELECT count(*) INTO events FROM gone;
    END IF;
END
$$;
COMMENT ON FUNCTION commandbus.prune_batch(TEXT, UUID, TIMESTAMPTZ, INTEGER, BOOLEAN) IS
    'Part of prune_commands: up to p_limit members of a batch that is complete, and when none is left the batch with its '
    'events; answers how many, and outcome: more (call again), held (somebody holds what is left) or done';

CREATE OR REPLACE FUNCTION commandbus.prune_commands(
    p_domain TEXT, p_before TIMESTAMPTZ, p_after BIGINT, p_limit INTEGER, p_dry BOOLEAN DEFAULT FALSE
) RETURNS JSONB
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_ends CONSTANT TEXT[] := '{COMPLETED,BUSINESS_RULE_FAILED,OPERATOR_CANCEL,OPERATOR_COMPLETE}';
    v_look CONSTANT INTEGER := greatest(4 * p_limit, 1000);   -- a command has 3 events or more
    v_looked INTEGER;
    v_young BIGINT;
    v_to BIGINT;
    v_more BOOLEAN;
    v_batch_id UUID;         -- the first complete batch of this range, and its event
    v_batch_at BIGINT;
    v_found INTEGER;
    v_last BIGINT;
    v_ids UUID[];            -- commands that ended in this range, and the events that say so
    v_at BIGINT[];
    v_commands INTEGER;
    v_events INTEGER := 0;
    v_messages INTEGER := 0;
    v_batches INTEGER := 0;
    v_rejected INTEGER;
    v_kept INTEGER := 0;
    v_again BIGINT;
    v_whole RECORD;
BEGIN
    SELECT count(*), max(audit_id), min(audit_id) FILTER (WHERE ts >= p_before) INTO v_looked, v_to, v_young
    FROM (SELECT audit_id, ts FROM commandbus.audit WHERE audit_id > p_after ORDER BY audit_id LIMIT v_look) looked;
    v_more := v_looked = v_look AND v_young IS NULL;
    v_to := coalesce(v_young - 1, v_to, p_after);

    -- A batch goes as a whole, when it is complete, since its counters are counted from its members; one a call.
    SELECT a.audit_id, a.command_id INTO v_batch_at, v_batch_id
    FROM (SELECT audit_id, command_id FROM commandbus.audit
          WHERE audit_id > p_after AND audit_id <= v_to AND domain = p_domain AND event_type = 'BATCH_COMPLETED') a
    CROSS JOIN LATERAL (SELECT batch_type, completed_at FROM commandbus.batch
                        WHERE domain = p_domain AND batch_id = a.command_id LIMIT 1) b
    WHERE b.batch_type <> 'PROCESS' AND b.completed_at < p_before
    ORDER BY a.audit_id LIMIT 1;
    IF FOUND THEN
        v_more := v_more OR v_batch_at < v_to;
        v_to := v_batch_at;
    END IF;
    SELECT count(*), max(audit_id), array_agg(command_id) FILTER (WHERE alone), array_agg(audit_id) FILTER (WHERE alone)
    INTO v_found, v_last, v_ids, v_at
    FROM (
        SELECT e.audit_id, e.command_id, b.known IS NULL AND e.first AS alone
        FROM (
            -- Several ends are possible in engine library; counting counts each command once.
            SELECT audit_id, command_id, NOT p_dry OR NOT EXISTS (
                       SELECT FROM commandbus.audit f WHERE f.command_id = a.command_id AND f.audit_id < a.audit_id
                       AND f.domain = p_domain AND f.event_type = ANY (v_ends)) AS first
            FROM commandbus.audit a
            WHERE audit_id > p_after AND audit_id <= v_to AND domain = p_domain AND event_type = ANY (v_ends)
            ORDER BY audit_id LIMIT p_limit
        ) e
        LEFT JOIN LATERAL (SELECT batch_id FROM commandbus.command
                           WHERE domain = p_domain AND command_id = e.command_id LIMIT 1) c ON TRUE
        LEFT JOIN LATERAL (SELECT TRUE AS known FROM commandbus.batch
                           WHERE domain = p_domain AND batch_id = c.batch_id LIMIT 1) b ON TRUE
    ) ended;
    IF v_found = p_limit AND v_last < v_to THEN
        v_to := v_last;
        v_more := TRUE;
    END IF;

    IF p_dry THEN
        v_commands := cardinality(commandbus.prunable(p_domain, v_ids, p_before));
        SELECT count(*) INTO v_rejected FROM commandbus.audit
        WHERE audit_id > p_after AND audit_id <= v_to AND domain = p_domain AND event_type = 'MESSAGE_REJECTED';
    ELSE
        SELECT commands, events, messages INTO v_commands, v_events, v_messages
        FROM commandbus.prune_whole(p_domain, ARRAY(SELECT DISTINCT unnest(v_ids)), p_before);
        WITH gone AS (
            DELETE FROM commandbus.audit WHERE audit_id > p_after AND audit_id <= v_to AND domain = p_domain
            AND event_type = 'MESSAGE_REJECTED' RETURNING audit_id)
        SELECT count(*) INTO v_rejected FROM gone;
        SELECT count(DISTINCT e.command_id), min(e.audit_id) INTO v_kept, v_again
        FROM unnest(v_ids, v_at) AS e (command_id, audit_id)
        CROSS JOIN LATERAL (SELECT status FROM commandbus.command
                            WHERE domain = p_domain AND command_id = e.command_id LIMIT 1) c
        WHERE c.status IN ('COMPLETED', 'FAILED', 'CANCELED');
    END IF;
    IF v_batch_at = v_to THEN
        SELECT * INTO v_whole FROM commandbus.prune_batch(p_domain, v_batch_id, p_before, p_limit, p_dry);
        v_commands := v_commands + v_whole.commands;
        v_events := v_events + v_whole.events;
        v_messages := v_messages + v_whole.messages;
        v_batches := v_whole.batches;
        IF v_whole.outcome = 'more' THEN
            v_to := v_to - 1;
            v_more := TRUE;
        ELSIF v_whole.outcome = 'held' THEN
            v_again := least(v_again, v_batch_at);
            v_kept := v_kept + 1;
        END IF;
    END IF;
    RETURN jsonb_build_object(
        'to', v_to, 'more', v_more, 'again', v_again, 'kept', v_kept, 'commands', v_commands, 'events', v_events,
        'messages', v_messages, 'rejected', v_rejected, 'batches', v_batches);
END
$$;
COMMENT ON FUNCTION commandbus.prune_commands(TEXT, TIMESTAMPTZ, BIGINT, INTEGER, BOOLEAN) IS
    'Removes up to p_limit commands that ended in the next 4 x p_limit (at least 1,000) events beyond p_after and last changed before p_before, '
    'with all that is theirs; complete batches, up to p_limit members a call; MESSAGE_REJECTED events. p_dry: counts '
    'instead. Answers how many of each, how far it came (to), whether to call again from there (more), how many were old and '
    'could not go (kept), and the first event from which these are to be looked for again';

-- ------------------------------------------------------------------------------------------------------- messages

CREATE OR REPLACE FUNCTION commandbus.prune_archive(
    p_domain TEXT, p_before TIMESTAMPTZ, p_after BIGINT, p_limit INTEGER, p_dry BOOLEAN DEFAULT FALSE
) RETURNS JSONB
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_looked INTEGER;
    v_young BIGINT;
    v_to BIGINT;
    v_loose BIGINT[];
    v_again BIGINT;
    v_removed INTEGER;
BEGIN
    EXECUTE format(
        'SELECT count(*), max(msg_id), min(msg_id) FILTER (WHERE enqueued_at >= $3)
         FROM (SELECT msg_id, enqueued_at FROM pgmq.%I WHERE msg_id > $1 ORDER BY msg_id LIMIT $2) looked',
        'a_' || p_domain || '__commands')
    INTO v_looked, v_to, v_young USING p_after, p_limit, p_before;
    v_to := coalesce(v_young - 1, v_to, p_after);
    -- Of no command (any more): rejected ones. Or copies: of a command, but not named by any event of it.
    EXECUTE format(
        'SELECT coalesce(array_agg(msg_id) FILTER (WHERE archived_at < $3), ''{}''),
                min(msg_id) FILTER (WHERE archived_at >= $3)
         FROM (SELECT msg_id, archived_at, commandbus.command_id_of(message) AS command_id FROM pgmq.%I
               WHERE msg_id > $1 AND msg_id <= $2) a
         LEFT JOIN LATERAL (SELECT command_id, msg_id AS current FROM commandbus.command
                            WHERE domain = $4 AND command_id = a.command_id LIMIT 1) c ON TRUE
         WHERE c.command_id IS NULL OR (c.current IS DISTINCT FROM a.msg_id AND NOT EXISTS (
             SELECT FROM commandbus.audit e WHERE e.command_id = a.command_id
             AND a.msg_id::TEXT IN (e.details_json ->> ''msg_id'', e.details_json ->> ''new_msg_id'')))',
        'a_' || p_domain || '__commands')
    INTO v_loose, v_again USING p_after, v_to, p_before, p_domain;
    IF p_dry THEN
        v_removed := cardinality(v_loose);
    ELSE
        EXECUTE format('WITH gone AS (DELETE FROM pgmq.%I WHERE msg_id = ANY ($1) RETURNING msg_id) SELECT count(*) FROM gone',
                       'a_' || p_domain || '__commands')
        INTO v_removed USING v_loose;
    END IF;
    RETURN jsonb_build_object('to', v_to, 'more', v_looked = p_limit AND v_young IS NULL, 'again', v_again,
                              'messages', v_removed);
END
$$;
COMMENT ON FUNCTION commandbus.prune_archive(TEXT, TIMESTAMPTZ, BIGINT, INTEGER, BOOLEAN) IS
    'Removes, of the next p_limit archived messages beyond p_after, those archived before p_before that belong to no '
    'command: rejected ones and copies. p_dry: counts instead. Answers as prune_commands';

CREATE OR REPLACE FUNCTION commandbus.prune_replies(
    p_domain TEXT, p_before TIMESTAMPTZ, p_after BIGINT, p_limit INTEGER, p_dry BOOLEAN DEFAULT FALSE,
    p_unread BOOLEAN DEFAULT FALSE
) RETURNS JSONB
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_material = off SET enable_sort = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_table TEXT := CASE WHEN p_unread THEN 'q_' ELSE 'a_' END || p_domain || '__replies';
    v_looked INTEGER;
    v_young BIGINT;
    v_to BIGINT;
    v_old BIGINT[];
BEGIN
    EXECUTE format(
        'SELECT count(*), max(msg_id), min(msg_id) FILTER (WHERE enqueued_at >= $3)
         FROM (SELECT msg_id, enqueued_at FROM pgmq.%I WHERE msg_id > $1 ORDER BY msg_id LIMIT $2) looked', v_table)
    INTO v_looked, v_to, v_young USING p_after, p_limit, p_before;
    v_to := coalesce(v_young - 1, v_to, p_after);
    -- One that a reader holds for the moment is being read.
    EXECUTE format(
        'SELECT array_agg(msg_id) FROM (
             SELECT msg_id FROM pgmq.%I WHERE msg_id > $1 AND msg_id <= $2 AND %s %s) old',
        v_table, CASE WHEN p_unread THEN 'enqueued_at < $3 AND vt <= clock_timestamp()' ELSE 'archived_at < $3' END,
        CASE WHEN p_dry THEN '' ELSE 'FOR UPDATE SKIP LOCKED' END)
    INTO v_old USING p_after, v_to, p_before;
    IF NOT p_dry THEN
        EXECUTE format('DELETE FROM pgmq.%I WHERE msg_id = ANY ($1)', v_table) USING v_old;
    END IF;
    RETURN jsonb_build_object('to', v_to, 'more', v_looked = p_limit AND v_young IS NULL, 'again', NULL,
                              'replies', coalesce(cardinality(v_old), 0));
END
$$;
COMMENT ON FUNCTION commandbus.prune_replies(TEXT, TIMESTAMPTZ, BIGINT, INTEGER, BOOLEAN, BOOLEAN) IS
    'Removes, of the next p_limit replies beyond p_after, those that a reader archived before p_before; with p_unread '
    'instead those that were sent before it and that nobody took. p_dry: counts instead. Answers as prune_commands';
