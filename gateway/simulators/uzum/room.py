"""Uzum Bank's room in the lab: puts its parts together and sends each address to its door."""

from __future__ import annotations

import threading

from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal
from gateway.simulators.uzum.app import App
from gateway.simulators.uzum.control import Control
from gateway.simulators.uzum.dialogue import Dialogue
from gateway.simulators.uzum.world import World
from gateway.simulators.wire import Json, Request, Response


class UzumRoom:
    def __init__(self, *, journal: Journal, settings: Settings, faults: Faults, stopped: threading.Event) -> None:
        self.world = World(journal=journal, settings=settings, faults=faults, stopped=stopped)
        self._dialogue = Dialogue(self.world)
        self._app = App(self.world, self._dialogue)
        self._control = Control(self.world, self._dialogue, self._app)

    def start(self, base_url: str) -> None:
        self.world.base_url = base_url
        self._dialogue.talks.resume()

    def register(self, wanted: Json) -> object:
        return self.world.register(wanted)

    def handle(self, request: Request) -> Response | None:
        return self._app.handle(request)

    def control(self, request: Request) -> Response | None:
        return self._control.handle(request)

    def clear(self, *, with_accounts: bool = False) -> None:
        self.world.clear(with_accounts=with_accounts)
