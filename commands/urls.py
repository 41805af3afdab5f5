from django.urls import path

from commands.pages import dashboard, detail, send

app_name = "commands"

urlpatterns = [
    path("", dashboard.page, name="dashboard"),
    path("live/", dashboard.live, name="dashboard_live"),
    path("send/", send.page, name="send"),
    path("commands/<uuid:command_id>/", detail.page, name="detail"),
    path("commands/<uuid:command_id>/live/", detail.live, name="detail_live"),
]
