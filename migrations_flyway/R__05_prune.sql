-- Prune: history that is finished and old goes, a bounded piece a call, and no call waits for another transaction.
--
-- Nothing is indexed by status or by time of change, since that would take HOT updates away. So old rows are found by
-- reading the tables page by page. Each call looks at the 1,024 pages from the place (ctid) p_after on, takes the first
-- p_limit old rows there, and answers as "to" the place from which the next call goes on, or null at the table's end. What is
-- final and old moves no more, so one walk through a table meets all of it, and none twice. New rows that it meets are young.
--
-- Rows that another transaction holds are skipped (SKIP LOCKED). lock_timeout is for what cannot be skipped, such as a
-- lock on a whole table: an error, not a wait. Without the planner settings a call reads whole tables for 5,000 commands,
-- which takes twice as long, and five times on tables that were never analyzed (measured with 400,000 commands).

CREATE OR REPLACE FUNCTION commandbus.lock_old(
    p_table TEXT, p_old TEXT, p_domain TEXT, p_before TIMESTAMPTZ, p_after TID, p_limit INTEGER, p_dry BOOLEAN,
    OUT seen INTEGER, OUT next TID, OUT places TID[]
)
LANGUAGE plpgsql AS $$
DECLARE
    v_until_page BIGINT := (p_after::TEXT::POINT)[0] + 1024;
    v_until TID := format('(%s,0)', v_until_page);
BEGIN
    -- OFFSET 0 keeps the range apart from the conditions: it is read in its order, by no index. The conditions are asked
    -- again of a row that was locked: it may have changed.
    EXECUTE format(
        'SELECT count(*), max(o.place), array_agg(l.place) FILTER (WHERE l.place IS NOT NULL)
         FROM (SELECT r.place FROM (SELECT ctid AS place, * FROM %1$s WHERE ctid > $3 AND ctid < $4 OFFSET 0) r
               WHERE %2$s LIMIT $5) o
         LEFT JOIN LATERAL (SELECT ctid AS place FROM %1$s r
                            WHERE ctid = o.place AND %2$s AND NOT $6 FOR UPDATE SKIP LOCKED) l ON TRUE', p_table, p_old)
    INTO seen, next, places USING p_domain, p_before, p_after, v_until, p_limit, p_dry;
    next := CASE WHEN seen = p_limit THEN next
                 WHEN pg_relation_size(p_table::REGCLASS) > v_until_page * current_setting('block_size')::BIGINT THEN v_until END;
END
$$;
COMMENT ON FUNCTION commandbus.lock_old(TEXT, TEXT, TEXT, TIMESTAMPTZ, TID, INTEGER, BOOLEAN) IS
    'Part of prune_*: the first p_limit rows r from p_after on for which p_old is true ($1 is p_domain, $2 p_before). Answers '
    'how many were seen, the places of those that it locked (p_dry: of none), and from where to go on';

CREATE OR REPLACE FUNCTION commandbus.prune_commands(
    p_domain TEXT, p_before TIMESTAMPTZ, p_after TID, p_limit INTEGER, p_dry BOOLEAN
) RETURNS JSONB
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_old RECORD;
    v_ids UUID[];            -- commands that go: their rows are locked
    v_msg_ids BIGINT[];
    v_rows TID[];
    v_test_rows TID[];
    v_named UUID[];          -- the commands that …
    v_messages BIGINT[];     -- … these messages were of, those before an operator's retry included
    v_events INTEGER;
    v_archived INTEGER;
BEGIN
    -- A message still in the queue would find its command gone. A batch counts its members until it is complete.
    v_old := commandbus.lock_old('commandbus.command', format(
        'r.domain = $1 AND r.status IN (''COMPLETED'', ''FAILED'', ''CANCELED'') AND r.updated_at < $2
         AND (SELECT TRUE FROM pgmq.%I q WHERE q.msg_id = r.msg_id) IS NULL
         AND coalesce((SELECT b.batch_type <> ''PROCESS'' AND coalesce(b.completed_at < $2, FALSE)
                       FROM commandbus.batch b WHERE b.domain = $1 AND b.batch_id = r.batch_id), TRUE)',
        'q_' || p_domain || '__commands'), p_domain, p_before, p_after, p_limit, p_dry);
    IF p_dry THEN
        RETURN jsonb_build_object('to', v_old.next, 'commands', v_old.seen);
    END IF;
    SELECT coalesce(array_agg(c.command_id), '{}'), array_agg(c.msg_id), array_agg(c.place), array_agg(t.place)
    INTO v_ids, v_msg_ids, v_rows, v_test_rows
    FROM (SELECT ctid AS place, command_id, msg_id FROM commandbus.command WHERE ctid = ANY (v_old.places)) c
    LEFT JOIN LATERAL (SELECT ctid AS place FROM public.test_command
                       WHERE command_id = c.command_id LIMIT 1 FOR UPDATE SKIP LOCKED) t ON TRUE
    -- No row in test_command, or one that another transaction holds? The latter keeps its command.
    WHERE t.place IS NOT NULL
       OR (SELECT TRUE FROM public.test_command WHERE command_id = c.command_id LIMIT 1) IS NULL;
    -- (For "= ANY ('{}')" the planner may walk a whole partial index: whatever its predicate, no row contradicts it.)
    IF v_ids = '{}' THEN
        RETURN jsonb_build_object('to', v_old.next, 'held', v_old.seen);
    END IF;

    -- The archive has a command's last message, and one for each time that it was parked.
    WITH gone AS (
        DELETE FROM commandbus.audit WHERE command_id = ANY (v_ids) AND domain = p_domain
        RETURNING command_id, event_type, details_json ->> 'msg_id' AS msg_id
    ), named AS (
        SELECT command_id, msg_id FROM unnest(v_ids, v_msg_ids) AS l (command_id, msg_id)
        UNION
        SELECT command_id, msg_id::BIGINT FROM gone WHERE event_type = 'MOVED_TO_TSQ' AND msg_id ~ '^[0-9]{1,18}$'
    )
    SELECT (SELECT count(*) FROM gone), array_agg(command_id), array_agg(msg_id)
    INTO v_events, v_named, v_messages FROM named;
    EXECUTE format(
        'WITH gone AS (
             DELETE FROM pgmq.%I a USING unnest($1, $2) AS n (command_id, msg_id)
             WHERE a.msg_id = n.msg_id AND commandbus.command_id_of(a.message) = n.command_id RETURNING a.msg_id)
         SELECT count(*) FROM gone', 'a_' || p_domain || '__commands')
    INTO v_archived USING v_named, v_messages;
    DELETE FROM commandbus.payload_archive WHERE domain = p_domain AND command_id = ANY (v_ids);
    DELETE FROM public.test_command WHERE ctid = ANY (v_test_rows);
    DELETE FROM commandbus.command WHERE ctid = ANY (v_rows);
    RETURN jsonb_build_object('to', v_old.next, 'commands', cardinality(v_ids), 'events', v_events, 'messages', v_archived,
                              'held', v_old.seen - cardinality(v_ids));
END
$$;
COMMENT ON FUNCTION commandbus.prune_commands(TEXT, TIMESTAMPTZ, TID, INTEGER, BOOLEAN) IS
    'Removes the first p_limit commands from p_after on that are final and last changed before p_before, with all that belongs to '
    'them: events, test_command row, archived messages, payload. p_dry: counts the commands instead. Answers how many '
    'of each, of how many commands another transaction held a row (held), and from where to go on (to)';

CREATE OR REPLACE FUNCTION commandbus.prune_batches(
    p_domain TEXT, p_before TIMESTAMPTZ, p_after TID, p_limit INTEGER, p_dry BOOLEAN
) RETURNS JSONB
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    -- A dry run counts those whose members would all have gone.
    v_old RECORD := commandbus.lock_old('commandbus.batch', format(
        'r.domain = $1 AND r.batch_type <> ''PROCESS'' AND r.completed_at < $2
         AND (SELECT TRUE FROM commandbus.command m WHERE m.domain = $1 AND m.batch_id = r.batch_id AND NOT (
                  %L AND m.status IN (''COMPLETED'', ''FAILED'', ''CANCELED'') AND m.updated_at < $2) LIMIT 1) IS NULL',
        p_dry), p_domain, p_before, p_after, p_limit, p_dry);
    v_ids UUID[] := ARRAY(SELECT batch_id FROM commandbus.batch WHERE ctid = ANY (v_old.places));
    v_events INTEGER;
BEGIN
    IF v_ids = '{}' THEN
        RETURN jsonb_build_object('to', v_old.next, 'batches', CASE WHEN p_dry THEN v_old.seen ELSE 0 END);
    END IF;
    WITH gone AS (
        DELETE FROM commandbus.audit WHERE command_id = ANY (v_ids) AND domain = p_domain
        AND event_type IN ('BATCH_STARTED', 'BATCH_COMPLETED') RETURNING audit_id)
    SELECT count(*) INTO v_events FROM gone;
    DELETE FROM commandbus.batch WHERE ctid = ANY (v_old.places);
    RETURN jsonb_build_object('to', v_old.next, 'events', v_events, 'batches', cardinality(v_ids));
END
$$;
COMMENT ON FUNCTION commandbus.prune_batches(TEXT, TIMESTAMPTZ, TID, INTEGER, BOOLEAN) IS
    'Removes the batches from p_after on that are complete since before p_before and have no member left, with their events. '
    'Otherwise as prune_commands';

CREATE OR REPLACE FUNCTION commandbus.prune_messages(
    p_domain TEXT, p_before TIMESTAMPTZ, p_after TID, p_limit INTEGER, p_dry BOOLEAN, p_kind TEXT
) RETURNS JSONB
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_table TEXT := format('pgmq.%I', CASE p_kind WHEN 'unread' THEN 'q_' ELSE 'a_' END || p_domain
                                      || CASE p_kind WHEN 'archived' THEN '__commands' ELSE '__replies' END);
    v_old RECORD := commandbus.lock_old(v_table, CASE p_kind
        WHEN 'archived' THEN
            'r.archived_at < $2 AND coalesce((
                 SELECT c.msg_id IS DISTINCT FROM r.msg_id AND (
                     SELECT TRUE FROM commandbus.audit e
                     WHERE e.command_id = c.command_id AND e.event_type = ''MOVED_TO_TSQ''
                       AND e.details_json ->> ''msg_id'' = r.msg_id::TEXT LIMIT 1) IS NULL
                 FROM commandbus.command c WHERE c.domain = $1 AND c.command_id = commandbus.command_id_of(r.message)), TRUE)'
        WHEN 'read' THEN 'r.archived_at < $2'
        WHEN 'unread' THEN 'r.enqueued_at < $2 AND r.vt <= clock_timestamp()'  -- not one that a reader has for the moment
        END, p_domain, p_before, p_after, p_limit, p_dry);
BEGIN
    EXECUTE format('DELETE FROM %s WHERE ctid = ANY ($1)', v_table) USING v_old.places;
    RETURN jsonb_build_object('to', v_old.next, CASE p_kind WHEN 'archived' THEN 'messages' ELSE 'replies' END,
                              CASE WHEN p_dry THEN v_old.seen ELSE coalesce(cardinality(v_old.places), 0) END);
END
$$;
COMMENT ON FUNCTION commandbus.prune_messages(TEXT, TIMESTAMPTZ, TID, INTEGER, BOOLEAN, TEXT) IS
    'Removes old messages from p_after on. p_kind archived: of no command that is there, or copies, neither a command''s last message '
    'nor one that was parked; read: replies that a reader archived; unread: replies that nobody took. Otherwise as prune_commands';

CREATE OR REPLACE FUNCTION commandbus.prune_rejected(p_domain TEXT, p_before TIMESTAMPTZ, p_limit INTEGER, p_dry BOOLEAN)
RETURNS JSONB
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off SET jit = off SET lock_timeout = '2s'
AS $$
DECLARE
    v_old TID[] := ARRAY(
        SELECT e.place FROM (SELECT ctid AS place, ts FROM commandbus.audit
                             WHERE domain = p_domain AND event_type = 'MESSAGE_REJECTED' ORDER BY audit_id LIMIT p_limit) e
        WHERE e.ts < p_before);
    v_removed INTEGER;
BEGIN
    IF p_dry THEN
        RETURN jsonb_build_object('to', NULL, 'rejected', cardinality(v_old));
    END IF;
    WITH gone AS (
        DELETE FROM commandbus.audit WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM commandbus.audit WHERE ctid = ANY (v_old) FOR UPDATE SKIP LOCKED)) RETURNING audit_id)
    SELECT count(*) INTO v_removed FROM gone;
    RETURN jsonb_build_object('to', CASE v_removed WHEN p_limit THEN '(0,0)' END, 'rejected', v_removed);
END
$$;
COMMENT ON FUNCTION commandbus.prune_rejected(TEXT, TIMESTAMPTZ, INTEGER, BOOLEAN) IS
    'Removes the events MESSAGE_REJECTED that are older than p_before, of the first p_limit ones, by ix_audit_rare. to: whether '
    'there may be more. Otherwise as prune_commands';
