"""The WSGI entry point of the web process. It does not start with an unsafe set of variables."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
inner = get_wsgi_application()

from django.db import connections  # noqa: E402  (what follows needs the apps to be loaded)

from config.checks import refuse_unsafe  # noqa: E402
from config.middleware import WholeBody  # noqa: E402

refuse_unsafe()
application = WholeBody(inner)
connections.close_all()  # the server may fork from here, and each of its threads opens its own
