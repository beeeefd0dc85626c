"""The whole address space."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("checkout.callbacks")),
    path("", include("checkout.api.urls")),
]
