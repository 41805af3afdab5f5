from django.urls import path

from bench.microscope import page

app_name = "microscope"
urlpatterns = [path("<command_id:command_id>/", page.microscope, name="command")]
