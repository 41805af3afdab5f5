-- What a domain needs: two queues, and functions of its own. A row of commandbus.domain gets them by trigger.
--
-- The plan of dynamic SQL is made anew by every call, so each domain has functions of its own: receive_<domain>,
-- finish_<domain> (R__02) and send_<domain> (R__03). Those of domain test stand there to be read; the others are copies of
-- their text.

CREATE OR REPLACE PROCEDURE commandbus.make_queues(p_domain commandbus.domain)
LANGUAGE plpgsql AS $$
DECLARE
    v_queue TEXT;
    v_table TEXT;
    v_comment TEXT;
BEGIN
    FOREACH v_queue IN ARRAY ARRAY[p_domain.command_queue, p_domain.reply_queue] LOOP
        IF NOT EXISTS (SELECT FROM pgmq.meta WHERE queue_name = v_queue) THEN
            PERFORM pgmq.create(v_queue);
        END IF;
    END LOOP;
    -- A queue table turns over completely: its dead rows are what receive has to step over, so they are cleared often
    -- and at full speed.
    EXECUTE format(
        'ALTER TABLE pgmq.%I SET (fillfactor = 55,
             autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
             autovacuum_analyze_threshold = 20000, autovacuum_analyze_scale_factor = 0)', 'q_' || p_domain.command_queue);
    FOR v_table, v_comment IN VALUES
        ('q_' || p_domain.command_queue,
         format('Commands of domain %s that wait, run (leased until vt) or wait for a retry (until vt)', p_domain.name)),
        ('a_' || p_domain.command_queue,
         'Messages of commands that were parked, failed or refused; an operator''s retry reads its payload here'),
        ('q_' || p_domain.reply_queue, format('Replies of domain %s, read by those who asked for them', p_domain.name)),
        ('a_' || p_domain.reply_queue, 'Replies that a reader archived; this site archives none')
    LOOP
        EXECUTE format('COMMENT ON TABLE pgmq.%I IS %L', v_table, v_comment);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE commandbus.make_queues(commandbus.domain) IS
    'Makes the queues of a domain, unless they are there, with their storage settings and comments';

CREATE OR REPLACE FUNCTION commandbus.engine_text(p_kind TEXT, p_domain TEXT) RETURNS TEXT
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_model CONSTANT TEXT := 'test';  -- the domain whose functions are written out
    v_name CONSTANT TEXT := format('commandbus.%s_', p_kind);
    v_text TEXT := pg_get_functiondef((v_name || v_model)::regproc);
BEGIN
    -- The queues before the function's name: another domain's name may begin as the model's queues do.
    v_text := replace(v_text, v_model || '__', p_domain || '__');
    v_text := replace(v_text, quote_literal(v_model), quote_literal(p_domain));
    RETURN replace(v_text, v_name || v_model || '(', v_name || p_domain || '(');
END
$$;
COMMENT ON FUNCTION commandbus.engine_text(TEXT, TEXT) IS
    'The statement that makes receive_<domain>, finish_<domain> or send_<domain> (p_kind: receive, finish or send): the text '
    'of that function for domain test, settings included, with its name, its queues and its domain replaced';

CREATE OR REPLACE PROCEDURE commandbus.make_engine(p_domain TEXT)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE commandbus.engine_text('receive', p_domain);
    EXECUTE commandbus.engine_text('finish', p_domain);
    EXECUTE commandbus.engine_text('send', p_domain);
    EXECUTE format('COMMENT ON FUNCTION commandbus.%I(INTEGER, INTEGER, BIGINT, BIGINT, UUID, BOOLEAN, BIGINT[]) IS %L',
                   'receive_' || p_domain, 'receive_commands for domain ' || p_domain);
    EXECUTE format('COMMENT ON FUNCTION commandbus.%I(JSONB) IS %L', 'finish_' || p_domain,
                   'finish_commands for domain ' || p_domain);
    EXECUTE format('COMMENT ON FUNCTION commandbus.%I(JSONB, TEXT, INTEGER, TEXT, UUID) IS %L', 'send_' || p_domain,
                   'send_commands for domain ' || p_domain);
END
$$;
COMMENT ON PROCEDURE commandbus.make_engine(TEXT) IS
    'Makes the functions behind receive_commands, finish_commands and send_commands for a domain of commandbus.domain';

CREATE OR REPLACE FUNCTION commandbus.check_domain() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name !~ '^[a-z][a-z0-9_]{0,30}$' THEN
        RAISE EXCEPTION 'a domain is a lower-case letter and up to 30 lower-case letters, digits or _, not "%"', NEW.name
            USING ERRCODE = '22023';
    END IF;
    -- Functions for all domains take the domain as their first argument; a domain's own have it in their names.
    IF EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'commandbus'::regnamespace
               AND proname IN ('receive_' || NEW.name, 'finish_' || NEW.name) AND proargtypes[0] = 'TEXT'::regtype) THEN
        RAISE EXCEPTION 'a domain cannot be called "%": the engine has functions of that name', NEW.name
            USING ERRCODE = '22023';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION commandbus.check_domain() IS
    'Refuses a domain whose name could not be part of the names of its queues and functions: error 22023';

CREATE OR REPLACE FUNCTION commandbus.make_domain() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    CALL commandbus.make_queues(NEW);
    CALL commandbus.make_engine(NEW.name);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION commandbus.make_domain() IS 'Makes what a domain needs: its queues and its functions of engine native';

CREATE OR REPLACE TRIGGER domain_check BEFORE INSERT OR UPDATE OF name ON commandbus.domain
    FOR EACH ROW EXECUTE FUNCTION commandbus.check_domain();
CREATE OR REPLACE TRIGGER domain_make AFTER INSERT OR UPDATE OF name ON commandbus.domain
    FOR EACH ROW EXECUTE FUNCTION commandbus.make_domain();

-- The triggers make all domains anew.
UPDATE commandbus.domain SET name = name;
