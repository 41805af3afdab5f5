-- What people did beside acting on single commands (actions.py runs them; those are events.sql's). Newest first; "edge" as
-- there: the first row at which nobody looked, where a bounded look found too few.

-- name: operations
WITH hit AS MATERIALIZED (
    SELECT * FROM (
        SELECT * FROM public.e2e_operation WHERE operation_id < %(before)s ORDER BY operation_id DESC LIMIT %(most)s) o
    WHERE domain = %(domain)s AND (%(operator)s = '' OR %(operator)s IN (operator, stopped_by))
    ORDER BY operation_id DESC LIMIT %(limit)s
), edge AS (
    SELECT operation_id, created_at FROM public.e2e_operation
    WHERE operation_id < %(before)s AND (SELECT count(*) FROM hit) < %(limit)s
    ORDER BY operation_id DESC OFFSET %(most)s LIMIT 1
)
SELECT edge.operation_id AS edge, edge.created_at AS edge_at, hit.operation_id AS id, hit.created_at AS at, hit.kind, hit.state,
    hit.operator, hit.reason, hit.wanted, hit.done, hit.stopped_by
FROM (SELECT TRUE) one LEFT JOIN edge ON TRUE LEFT JOIN hit ON TRUE
ORDER BY hit.operation_id DESC;

-- name: log
-- Of Django's log of changes: the settings, and messages of a domain.
WITH hit AS MATERIALIZED (
    SELECT l.id, l.action_time, l.change_message, c.model, u.username
    FROM (SELECT * FROM public.django_admin_log WHERE id < %(before)s ORDER BY id DESC LIMIT %(most)s) l
    JOIN public.django_content_type c ON c.id = l.content_type_id
    JOIN public.auth_user u ON u.id = l.user_id
    WHERE (c.app_label = 'settings_app' AND c.model = 'configuration'
           OR c.app_label = 'commands' AND c.model = 'domain' AND l.object_id = %(domain)s)
        AND (%(operator)s = '' OR u.username = %(operator)s)
    ORDER BY l.id DESC LIMIT %(limit)s
), edge AS (
    SELECT id, action_time FROM public.django_admin_log WHERE id < %(before)s AND (SELECT count(*) FROM hit) < %(limit)s
    ORDER BY id DESC OFFSET %(most)s LIMIT 1
)
SELECT edge.id AS edge, edge.action_time AS edge_at, hit.id, hit.action_time AS at, hit.username AS operator, hit.model,
    left(hit.change_message, 2000) AS message
FROM (SELECT TRUE) one LEFT JOIN edge ON TRUE LEFT JOIN hit ON TRUE
ORDER BY hit.id DESC;
