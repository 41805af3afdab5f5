-- PGMQ as it looked in version 1.5, as far as this site and its library use it, written in our own words:
-- a message record without last_read_at, so that vt and message stand one column further to the front.

CREATE SCHEMA pgmq;

CREATE TABLE pgmq.meta (
    queue_name     VARCHAR UNIQUE NOT NULL,
    is_partitioned BOOLEAN NOT NULL,
    is_unlogged    BOOLEAN NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TYPE pgmq.message_record AS (
    msg_id      BIGINT,
    read_ct     INTEGER,
    enqueued_at TIMESTAMPTZ,
    vt          TIMESTAMPTZ,
    message     JSONB,
    headers     JSONB
);

CREATE FUNCTION pgmq.create(queue_name TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS pgmq.%I (
             msg_id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
             read_ct INTEGER NOT NULL DEFAULT 0,
             enqueued_at TIMESTAMPTZ NOT NULL DEFAULT now(),
             vt TIMESTAMPTZ NOT NULL,
             message JSONB,
             headers JSONB)', 'q_' || queue_name);
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS pgmq.%I (
             msg_id BIGINT PRIMARY KEY,
             read_ct INTEGER NOT NULL DEFAULT 0,
             enqueued_at TIMESTAMPTZ NOT NULL DEFAULT now(),
             archived_at TIMESTAMPTZ NOT NULL DEFAULT now(),
             vt TIMESTAMPTZ NOT NULL,
             message JSONB,
             headers JSONB)', 'a_' || queue_name);
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON pgmq.%I (vt)', 'q_' || queue_name || '_vt_idx', 'q_' || queue_name);
    INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged)
    VALUES (queue_name, false, false) ON CONFLICT DO NOTHING;
END
$$;

CREATE FUNCTION pgmq.send_batch(queue_name TEXT, msgs JSONB[], headers JSONB[], delay INTEGER) RETURNS SETOF BIGINT
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'INSERT INTO pgmq.%I (vt, message, headers)
         SELECT clock_timestamp() + make_interval(secs => $3), m, h FROM unnest($1, $2) AS new (m, h)
         RETURNING msg_id', 'q_' || queue_name)
    USING msgs, coalesce(headers, '{}'), delay;
END
$$;

CREATE FUNCTION pgmq.send_batch(queue_name TEXT, msgs JSONB[], delay INTEGER) RETURNS SETOF BIGINT
LANGUAGE sql AS 'SELECT * FROM pgmq.send_batch(queue_name, msgs, NULL::jsonb[], delay)';

CREATE FUNCTION pgmq.send(queue_name TEXT, msg JSONB, headers JSONB, delay INTEGER) RETURNS SETOF BIGINT
LANGUAGE sql AS 'SELECT * FROM pgmq.send_batch(queue_name, ARRAY[msg], ARRAY[headers], delay)';

CREATE FUNCTION pgmq.send(queue_name TEXT, msg JSONB, delay INTEGER) RETURNS SETOF BIGINT
LANGUAGE sql AS 'SELECT * FROM pgmq.send_batch(queue_name, ARRAY[msg], NULL::jsonb[], delay)';

CREATE FUNCTION pgmq.read(queue_name TEXT, vt INTEGER, qty INTEGER, conditional JSONB DEFAULT '{}')
RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'WITH due AS (
             SELECT msg_id FROM pgmq.%1$I
             WHERE vt <= clock_timestamp() AND ($3 = ''{}'' OR message @> $3)
             ORDER BY msg_id LIMIT $2 FOR UPDATE SKIP LOCKED)
         UPDATE pgmq.%1$I q SET vt = clock_timestamp() + make_interval(secs => $1), read_ct = read_ct + 1
         FROM due WHERE q.msg_id = due.msg_id
         RETURNING q.msg_id, q.read_ct, q.enqueued_at, q.vt, q.message, q.headers', 'q_' || queue_name)
    USING vt, qty, conditional;
END
$$;

CREATE FUNCTION pgmq.delete(queue_name TEXT, msg_ids BIGINT[]) RETURNS SETOF BIGINT
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('DELETE FROM pgmq.%I WHERE msg_id = ANY ($1) RETURNING msg_id', 'q_' || queue_name)
    USING msg_ids;
END
$$;

CREATE FUNCTION pgmq.delete(queue_name TEXT, msg_id BIGINT) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM pgmq.delete(queue_name, ARRAY[msg_id]))';

CREATE FUNCTION pgmq.archive(queue_name TEXT, msg_ids BIGINT[]) RETURNS SETOF BIGINT
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'WITH gone AS (DELETE FROM pgmq.%I WHERE msg_id = ANY ($1)
                       RETURNING msg_id, read_ct, enqueued_at, vt, message, headers)
         INSERT INTO pgmq.%I (msg_id, read_ct, enqueued_at, vt, message, headers) SELECT * FROM gone
         RETURNING msg_id', 'q_' || queue_name, 'a_' || queue_name)
    USING msg_ids;
END
$$;

CREATE FUNCTION pgmq.archive(queue_name TEXT, msg_id BIGINT) RETURNS BOOLEAN
LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM pgmq.archive(queue_name, ARRAY[msg_id]))';

CREATE FUNCTION pgmq.set_vt(queue_name TEXT, msg_id BIGINT, vt INTEGER) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'UPDATE pgmq.%I SET vt = clock_timestamp() + make_interval(secs => $2) WHERE msg_id = $1
         RETURNING msg_id, read_ct, enqueued_at, vt, message, headers', 'q_' || queue_name)
    USING msg_id, vt;
END
$$;
