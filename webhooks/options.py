"""The dispatcher's numbers. Each is a variable of the environment; the defaults are what we run."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Options:
    timeout_seconds: float  # for one attempt, from the look-up of the name to the end of the answer
    in_flight: int  # posts of one drain at the same time
    first_per_host: int  # posts to a host we know nothing about yet
    most_per_host: int  # posts to a host that answers well
    drains: int  # how many drains may run at the same time, whatever asks for more
    budget_seconds: float  # how long one drain goes on claiming

    @property
    def lease_seconds(self) -> float:
        """How long a claimed row is ours. Longer than any attempt, so that nobody posts what we still post."""
        return 2 * self.timeout_seconds + 2


def current() -> Options:
    return Options(
        timeout_seconds=settings.WEBHOOK_TIMEOUT_SECONDS,
        in_flight=settings.WEBHOOK_IN_FLIGHT,
        first_per_host=settings.WEBHOOK_FIRST_PER_HOST,
        most_per_host=settings.WEBHOOK_MOST_PER_HOST,
        drains=settings.WEBHOOK_DRAINS,
        budget_seconds=settings.WEBHOOK_DRAIN_SECONDS,
    )
