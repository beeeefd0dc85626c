"""The worker's wiring. Queues only make things fast; every queue's truth is a table of ours."""

import logging.config
import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("dztech_pay")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_finalize.connect
def collect_schedule(sender: Celery, **kwargs: Any) -> None:
    """Every app says in its tasks' BEAT what is to be done how often."""
    from django.apps import apps

    for config in apps.get_app_configs():
        if config.name in ("providers", "webhooks", "checkout") and find_spec(f"{config.name}.tasks"):
            sender.conf.beat_schedule.update(getattr(import_module(f"{config.name}.tasks"), "BEAT", {}))


@signals.setup_logging.connect
def use_our_logs(**kwargs: Any) -> None:
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@signals.worker_init.connect
def refuse_unsafe_settings(**kwargs: Any) -> None:
    from django.db import connections

    from config.checks import refuse_unsafe

    try:
        refuse_unsafe()
        connections.close_all()  # the pool forks from here
    except Exception as error:  # a signal's exception is only logged by Celery; this one must end the worker
        logging.getLogger(__name__).critical("%s", error)
        raise SystemExit(1) from error


@signals.task_prerun.connect
def name_the_task(task_id: str = "", task: Any = None, **kwargs: Any) -> None:
    import structlog

    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=getattr(task, "name", ""), task_id=task_id)


@signals.task_postrun.connect
def forget_the_task(**kwargs: Any) -> None:
    import structlog

    structlog.contextvars.clear_contextvars()
