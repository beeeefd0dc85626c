"""The WSGI entry point of the web process. It does not start with an unsafe set of variables."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from config.checks import refuse_unsafe  # noqa: E402  (needs the apps to be loaded)

refuse_unsafe()
