-- PGMQ, and the domains: each has a queue of commands and one of replies. R__11_domains.sql makes the queues and the
-- functions of every domain that is listed here; another domain joins by a row.
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

-- Queues are named as the library names them, so their names are made from the domain's.
CREATE TABLE commandbus.domain (
    name          TEXT PRIMARY KEY CONSTRAINT domain_name_known CHECK (name ~ '^[a-z][a-z0-9_]{0,30}$'),
    command_queue TEXT NOT NULL GENERATED ALWAYS AS (name || '__commands') STORED,
    reply_queue   TEXT NOT NULL GENERATED ALWAYS AS (name || '__replies') STORED,
    since         TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE commandbus.domain IS 'Domains: commands that share queues. A new row gets its queues and its functions of engine native by trigger';
COMMENT ON COLUMN commandbus.domain.name IS 'Name: lower-case letters, digits and _, at most 31';
COMMENT ON COLUMN commandbus.domain.command_queue IS 'The queue of its commands';
COMMENT ON COLUMN commandbus.domain.reply_queue IS 'The queue of the replies that senders of its commands asked for';
COMMENT ON COLUMN commandbus.domain.since IS 'When it joined (server clock)';

INSERT INTO commandbus.domain (name) VALUES ('test');
