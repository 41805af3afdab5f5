from django.urls import path

from commands import views

app_name = "commands"

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("live/", views.dashboard_live, name="dashboard_live"),
    path("send/", views.send, name="send"),
    path("commands/<uuid:command_id>/", views.detail, name="detail"),
    path("commands/<uuid:command_id>/live/", views.detail_live, name="detail_live"),
]
