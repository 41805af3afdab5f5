-- Counts that pages show.

CREATE OR REPLACE FUNCTION commandbus.count_commands(p_domain TEXT, p_limit INTEGER) RETURNS BIGINT
LANGUAGE sql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
    SELECT count(*) FROM (
        SELECT FROM commandbus.command WHERE domain = p_domain ORDER BY command_id LIMIT p_limit) c
$$;
COMMENT ON FUNCTION commandbus.count_commands(TEXT, INTEGER) IS
    'How many commands a domain has, p_limit at most: read along the primary key and no further, also where the planner '
    'knows nothing of the table yet';
