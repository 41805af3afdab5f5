from django.urls import path, register_converter

from commands.api.root import api
from commands.pages import (
    actions,
    audit,
    cancel,
    charts,
    command_list,
    dashboard,
    detail,
    export,
    find,
    health,
    mend,
    metrics,
    operations,
    queue,
    rejected,
    replies,
    saved_views,
    send,
    send_many,
    tsq,
    tsq_act,
)
from commands.pages.converters import CommandIdConverter, RawPartConverter

register_converter(CommandIdConverter, "command_id")
register_converter(RawPartConverter, "raw_part")

app_name = "commands"

urlpatterns = [
    path("api/v1/", api.urls),  # first: programs ask most often, and each pattern before it is tried
    path("", dashboard.page, name="dashboard"),
    path("live/", dashboard.live, name="dashboard_live"),
    path("charts/live/", charts.live, name="charts_live"),
    path("send/", send.page, name="send"),
    path("send/outlooks/", send.live_outlooks, name="send_outlooks"),
    path("send/many/", send_many.page, name="send_many"),
    path("send/many/outlook/", send_many.live_outlook, name="send_many_outlook"),
    path("commands/", command_list.page, name="list"),
    path("commands/live/", command_list.live, name="list_live"),
    path("commands/find/", find.page, name="find"),
    path("commands/export/", export.commands, name="export"),
    path("tsq/", tsq.page, name="tsq"),
    path("tsq/groups/", tsq.groups_page, name="tsq_groups"),
    path("tsq/act/", tsq_act.page, name="tsq_act"),
    path("queue/", queue.page, name="queue"),
    path("queue/live/", queue.live, name="queue_live"),
    path("queue/paused/", queue.switch, name="queue_switch"),
    path("queue/<command_id:command_id>/cancel/", cancel.page, name="queue_cancel"),
    path("operations/", operations.page, name="operations"),
    path("operations/live/", operations.live, name="operations_live"),
    path("operations/<int:operation_id>/", operations.detail, name="operation"),
    path("operations/<int:operation_id>/live/", operations.detail_live, name="operation_live"),
    path("operations/<int:operation_id>/cancel/", operations.cancel, name="operation_cancel"),
    path("audit/", audit.page, name="audit"),
    path("audit/export/", audit.as_file, name="audit_export"),
    path("audit/actions/", actions.page, name="actions"),
    path("audit/<int:audit_id>/", audit.event, name="event"),
    path("replies/", replies.page, name="replies"),
    path("replies/act/", replies.act, name="replies_act"),
    path("rejected/", rejected.page, name="rejected"),
    path("rejected/<int:audit_id>/", mend.page, name="mend"),
    path("views/", saved_views.index, name="saved_views"),
    path("views/save/", saved_views.save, name="save_view"),
    path("views/<int:view_id>/", saved_views.change, name="saved_view"),
    path("commands/<command_id:command_id>/", detail.page, name="detail"),
    path("commands/<command_id:command_id>/live/", detail.live, name="detail_live"),
    path("commands/<command_id:command_id>/raw/<raw_part:part>/", detail.raw, name="raw"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.page, name="metrics"),
]
