from django.urls import path

from bench import views

app_name = "bench"
urlpatterns = [
    path("", views.load_tests, name="load_tests"),
    path("<int:run_id>/", views.load_test, name="load_test"),
    path("<int:run_id>/live/", views.load_test_live, name="load_test_live"),
]
