"""Where each page lives."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path

from e2e_site import token_pages, views

urlpatterns = [
    path("", include("commands.urls")),
    path("loadtests/", include("bench.urls")),
    path("runs/", include("bench.run_urls")),
    path("microscope/", include("bench.microscope.urls")),
    path("settings/", include("settings_app.urls")),
    path("tokens/", token_pages.page, name="tokens"),
    path("tokens/all/", token_pages.everybodys, name="all_tokens"),
    path("tokens/<int:token_id>/revoke/", token_pages.end, name="token_revoke"),
    path("times/", views.times, name="times"),
    path("keys/", views.keys, name="keys"),
    path("login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", login_not_required(auth_views.LogoutView.as_view()), name="logout"),
    path("admin/", admin.site.urls),
]

handler403 = "e2e_site.errors.permission_denied"
handler404 = "e2e_site.errors.page_not_found"
handler500 = "e2e_site.errors.server_error"
