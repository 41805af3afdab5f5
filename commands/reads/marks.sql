-- What to mark over a chart, by name (marks.py runs them): each looks at a bounded number of rows along an index.

-- name: settings
-- Of Django's log of changes its newest rows; and the row of settings itself, which SQL may have changed.
WITH logged AS (
    SELECT l.action_time AS at, left(u.username, 150) AS who, left(l.change_message, 200) AS what
    FROM (SELECT * FROM public.django_admin_log ORDER BY id DESC LIMIT %(looked)s) l
    JOIN public.django_content_type c ON c.id = l.content_type_id
    JOIN public.auth_user u ON u.id = l.user_id
    WHERE c.app_label = 'settings_app' AND c.model = 'configuration'
        AND l.action_time >= %(since)s AND l.action_time < %(until)s
    ORDER BY l.id DESC LIMIT %(most)s
)
SELECT at, who, what FROM logged
UNION ALL
SELECT updated_at, left(updated_by, 150), 'version ' || version
FROM public.e2e_config
WHERE version > 1 AND updated_at >= %(since)s AND updated_at < %(until)s
    AND NOT EXISTS (SELECT FROM logged WHERE abs(extract(EPOCH FROM logged.at - updated_at)) < 2);

-- name: workers
-- By ix_e2e_worker_beat_at: whoever came or went since then had a beat since then.
SELECT left(host, 100) || ':' || pid AS name, started_at, stopped_at, beat_at,
    stopped_at IS NULL AND beat_at < clock_timestamp() - %(silence)s::INTERVAL AS silent
FROM (
    SELECT * FROM public.e2e_worker WHERE beat_at >= %(since)s ORDER BY beat_at DESC LIMIT %(looked)s
) w
WHERE queue_name = %(queue)s
    AND (started_at >= %(since)s OR stopped_at IS NOT NULL OR beat_at < clock_timestamp() - %(silence)s::INTERVAL)
ORDER BY beat_at DESC LIMIT %(most)s;

-- name: operations
SELECT operation_id, kind, wanted, state, left(operator, 150) AS who, coalesce(started_at, created_at) AS begun_at, ended_at
FROM (SELECT * FROM public.e2e_operation ORDER BY operation_id DESC LIMIT %(looked)s) o
WHERE domain = %(domain)s AND (coalesce(started_at, created_at) >= %(since)s OR ended_at >= %(since)s)
ORDER BY operation_id DESC LIMIT %(most)s;
