-- The settings row counts its versions and tells the workers.

CREATE OR REPLACE FUNCTION public.e2e_config_count_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.e2e_config_count_version() IS 'Counts up the version of a changed settings row';

CREATE OR REPLACE FUNCTION public.e2e_config_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('e2e_config', NEW.version::text);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION public.e2e_config_notify() IS 'Tells listening workers (channel e2e_config, payload: the version) that the settings changed';

CREATE OR REPLACE TRIGGER e2e_config_count_version BEFORE UPDATE ON public.e2e_config
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION public.e2e_config_count_version();
CREATE OR REPLACE TRIGGER e2e_config_notify AFTER UPDATE ON public.e2e_config
    FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION public.e2e_config_notify();
