-- What to mark over a chart (marks.py runs it), and who samples: in one statement, of which each part looks at a bounded
-- number of rows along an index.

-- name: marks
WITH logged AS (
    -- Of Django's log of changes its newest rows; below, the row of settings itself, which SQL may have changed.
    SELECT l.action_time AS at, left(u.username, 150) AS who, left(l.change_message, 200) AS what
    FROM (SELECT * FROM public.django_admin_log ORDER BY id DESC LIMIT %(looked)s) l
    JOIN public.django_content_type c ON c.id = l.content_type_id
    JOIN public.auth_user u ON u.id = l.user_id
    WHERE c.app_label = 'settings_app' AND c.model = 'configuration'
        AND l.action_time >= %(since)s AND l.action_time < %(until)s
    ORDER BY l.id DESC LIMIT %(most)s
), workers AS (
    -- By ix_e2e_worker_beat_at: whoever came or went since then had a beat since then.
    SELECT left(host, 100) || ':' || pid AS name, started_at, stopped_at,
        CASE WHEN stopped_at IS NULL AND beat_at < clock_timestamp() - %(silence)s::INTERVAL THEN beat_at END AS silent_at
    FROM (
        SELECT * FROM public.e2e_worker WHERE beat_at >= %(since)s ORDER BY beat_at DESC LIMIT %(looked)s
    ) w
    WHERE queue_name = %(queue)s
        AND (started_at >= %(since)s OR stopped_at IS NOT NULL OR beat_at < clock_timestamp() - %(silence)s::INTERVAL)
    ORDER BY beat_at DESC LIMIT %(most)s
), operations AS (
    SELECT operation_id, kind, wanted, state, left(operator, 150) AS who,
        coalesce(started_at, created_at) AS begun_at, ended_at
    FROM (SELECT * FROM public.e2e_operation ORDER BY operation_id DESC LIMIT %(looked)s) o
    WHERE domain = %(domain)s AND (coalesce(started_at, created_at) >= %(since)s OR ended_at >= %(since)s)
    ORDER BY operation_id DESC LIMIT %(most)s
)
SELECT 'settings' AS about, who AS name, what, NULL::BIGINT AS number, NULL::BIGINT AS wanted, NULL AS state,
    at AS began, NULL::TIMESTAMPTZ AS ended, NULL::TIMESTAMPTZ AS silent
FROM logged
UNION ALL
SELECT 'settings', left(updated_by, 150), 'version ' || version, NULL, NULL, NULL, updated_at, NULL, NULL
FROM public.e2e_config
WHERE version > 1 AND updated_at >= %(since)s AND updated_at < %(until)s
    AND NOT EXISTS (SELECT FROM logged WHERE abs(extract(EPOCH FROM logged.at - updated_at)) < 2)
UNION ALL
SELECT 'worker', name, NULL, NULL, NULL, NULL, started_at, stopped_at, silent_at FROM workers
UNION ALL
SELECT 'operation', who, kind, operation_id, wanted, state, begun_at, ended_at, NULL FROM operations
UNION ALL
SELECT 'sampler', sampler, NULL, NULL, NULL, NULL, sampled_at, counted_at, clock_timestamp() FROM public.e2e_sampler;
