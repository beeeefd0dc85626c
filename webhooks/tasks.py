"""The dispatcher's tasks. Each may run twice and beside itself: the rows decide who sends what."""

from celery import shared_task
from django.utils import timezone

from webhooks import delivery
from webhooks.drain import LINGER_SECONDS
from webhooks.kick import TASK

SWEEP_SECONDS = 2.0


@shared_task(name=TASK, ignore_result=True)
def drain() -> None:
    delivery.drain_if_free()


@shared_task(name="webhooks.sweep", ignore_result=True)
def sweep() -> None:
    """What kicks do not cover: later rungs, lost kicks, leases of killed workers. One cheap question when idle."""
    if delivery.is_anything_due(within_seconds=LINGER_SECONDS):
        delivery.drain_if_free()


@shared_task(name="webhooks.forget_old_answers", ignore_result=True)
def forget_old_answers() -> None:
    delivery.delete_old_attempt_bodies(now=timezone.now())


BEAT = {
    # A sweep that waited longer than its interval is not worth running any more: the next one is due.
    "webhooks-sweep": {"task": "webhooks.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": 2 * SWEEP_SECONDS}},
    "webhooks-forget-old-answers": {
        "task": "webhooks.forget_old_answers",
        "schedule": 3600.0,  # small portions; a day that was missed is made good within the hour
        "options": {"expires": 3600.0},
    },
}
