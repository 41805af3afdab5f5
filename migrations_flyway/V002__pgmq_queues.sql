-- The queues of domain `test`: commands to be performed, and the replies that senders asked for.
-- PGMQ comes first: as an extension where the server offers it, else as plain SQL by `manage.py pgmq install`.

DO $$
BEGIN
    IF to_regprocedure('pgmq.create(text)') IS NULL THEN
        IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgmq') THEN
            RAISE EXCEPTION 'PGMQ is not installed in database %', current_database()
                USING HINT = 'Run "manage.py pgmq install", then migrate again.';
        END IF;
        CREATE EXTENSION pgmq;
    END IF;
END
$$;

SELECT pgmq.create('test__commands');
SELECT pgmq.create('test__replies');

COMMENT ON TABLE pgmq.q_test__commands IS 'Commands of domain test that wait, run (leased until vt) or wait for a retry (until vt)';
COMMENT ON TABLE pgmq.a_test__commands IS 'Messages of commands that were parked, failed or refused; an operator''s retry reads its payload here';
COMMENT ON TABLE pgmq.q_test__replies IS 'Replies of domain test, read by whoever asked for them';
COMMENT ON TABLE pgmq.a_test__replies IS 'Replies that a reader archived; this site archives none';
