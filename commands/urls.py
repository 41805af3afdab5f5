from django.urls import path

from commands.pages import dashboard

app_name = "commands"

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("live/", dashboard.dashboard_live, name="dashboard_live"),
    path("send/", dashboard.send, name="send"),
    path("commands/<uuid:command_id>/", dashboard.detail, name="detail"),
    path("commands/<uuid:command_id>/live/", dashboard.detail_live, name="detail_live"),
]
