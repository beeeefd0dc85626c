"""The whole address space."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.health import health

urlpatterns = [
    path("health", health, name="health"),
    path("health/", health),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("", include("checkout.callbacks")),
    path("", include("checkout.api.urls")),
    path("", include("checkout.portal.urls")),
    path("", include("checkout.pages.urls")),
]

# What is answered when no view could: JSON under /api/, a small page elsewhere.
handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
