-- What the site asks of its API's tokens, at a call's pace (e2e_site/tokens.py calls these).

CREATE OR REPLACE FUNCTION public.e2e_token_spend(p_token_id BIGINT, p_count INTEGER, p_per_minute INTEGER)
RETURNS INTEGER
LANGUAGE plpgsql
AS $$
DECLARE
    v_now  TIMESTAMPTZ := clock_timestamp();
    v_per_second DOUBLE PRECISION := p_per_minute / 60.0;
    v_left DOUBLE PRECISION;
BEGIN
    -- Whoever waited for the row sees it as the one before left it. A clock that was set back takes nothing away.
    INSERT INTO public.e2e_api_token_budget AS b (token_id, left_now, at)
    VALUES (p_token_id, p_per_minute - p_count, v_now)
    ON CONFLICT (token_id) DO UPDATE
    SET left_now = least(p_per_minute,
                         b.left_now + greatest(0, extract(epoch FROM v_now - b.at)) * v_per_second) - p_count,
        at = greatest(b.at, v_now)
    WHERE b.left_now + greatest(0, extract(epoch FROM v_now - b.at)) * v_per_second >= 1
    RETURNING left_now INTO v_left;
    IF FOUND THEN
        RETURN 0;
    END IF;
    SELECT ceil((1 - b.left_now) / v_per_second - greatest(0, extract(epoch FROM v_now - b.at)))
    INTO v_left FROM public.e2e_api_token_budget b WHERE b.token_id = p_token_id;
    RETURN greatest(1, coalesce(v_left, 1));
END
$$;
COMMENT ON FUNCTION public.e2e_token_spend(BIGINT, INTEGER, INTEGER) IS
    'Takes p_count commands from what a token may send, which grows by p_per_minute a minute up to as many. Answers 0, or '
    'in how many seconds to ask again. Enough is one: what a call takes beyond what is left is owed, so that a large one '
    'is possible, and the average stays';

CREATE OR REPLACE FUNCTION public.e2e_token_used(p_token_id BIGINT)
RETURNS VOID
LANGUAGE sql
AS $$
    UPDATE public.e2e_api_token SET last_used_at = date_trunc('minute', clock_timestamp())
    WHERE token_id = p_token_id
      AND (last_used_at IS NULL OR last_used_at < date_trunc('minute', clock_timestamp()))
$$;
COMMENT ON FUNCTION public.e2e_token_used(BIGINT) IS
    'Writes down that a token is used, to the minute: once a minute, however often it is';
