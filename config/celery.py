"""The worker's wiring. Queues only make things fast; every queue's truth is a table of ours."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("dztech_pay")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
