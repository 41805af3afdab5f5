from django.urls import path

from bench.loadtest import page

app_name = "bench"
urlpatterns = [
    path("", page.load_tests, name="load_tests"),
    path("<int:run_id>/", page.load_test, name="load_test"),
    path("<int:run_id>/live/", page.load_test_live, name="load_test_live"),
]
