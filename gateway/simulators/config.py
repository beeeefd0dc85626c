"""The lab's settings: how long things take. All of them can be changed while it runs (`POST /_lab/settings`)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from gateway.simulators.wire import BadRequest, Json, number

RETRY_LADDER = [1.0, 3.0, 9.0, 30.0, 60.0, 300.0, 900.0]


@dataclass(slots=True)
class Settings:
    settle_seconds: float = 4.0  # `delay` → succeeded
    refund_seconds: float = 4.0  # a refund ordered as pending → its end
    qr_seconds: float = 30.0
    hang_seconds: float = 60.0  # how long a `timeout_…` fault keeps the caller waiting
    callback_timeout_seconds: float = 10.0
    retry_ladder: list[float] = field(default_factory=lambda: list(RETRY_LADDER))  # seconds before try 2, 3, …

    def change(self, wanted: Json) -> None:
        known = {f.name for f in fields(self)}
        if strange := sorted(set(wanted) - known):
            raise BadRequest(f"Unknown settings: {', '.join(strange)}.")
        changes: dict[str, object] = {}
        for name, value in wanted.items():
            changes[name] = read_ladder(value) if name == "retry_ladder" else number(wanted, name, 0)
        for name, read in changes.items():
            setattr(self, name, read)


def read_ladder(value: object) -> list[float]:
    """`"1,3,9"` or `[1, 3, 9]`; empty means that nothing is tried twice."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise BadRequest("retry_ladder must be a list of seconds.")
    return [number({"retry_ladder": part}, "retry_ladder", 0) for part in parts if str(part).strip()]
