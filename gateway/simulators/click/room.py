"""Click's room in the lab: puts its parts together and sends each address to its door."""

from __future__ import annotations

import threading

from gateway.simulators.click.api import PREFIX, Api
from gateway.simulators.click.buyer import BuyerPages
from gateway.simulators.click.control import Control
from gateway.simulators.click.dialogue import Dialogue
from gateway.simulators.click.world import World
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal
from gateway.simulators.wire import Json, Request, Response


class ClickRoom:
    def __init__(self, *, journal: Journal, settings: Settings, faults: Faults, stopped: threading.Event) -> None:
        self.world = World(journal=journal, settings=settings, faults=faults, stopped=stopped)
        self._dialogue = Dialogue(self.world)
        self._buyer = BuyerPages(self.world, self._dialogue)
        self._api = Api(self.world)
        self._control = Control(self.world, self._dialogue, self._buyer)

    def start(self, base_url: str) -> None:
        self.world.base_url = base_url
        self._dialogue.resume()

    def register(self, wanted: Json) -> object:
        return self.world.register(wanted)

    def handle(self, request: Request) -> Response | None:
        return self._api.handle(request) if request.path.startswith(PREFIX) else self._buyer.handle(request)

    def control(self, request: Request) -> Response | None:
        return self._control.handle(request)

    def clear(self, *, with_accounts: bool = False) -> None:
        self.world.clear(with_accounts=with_accounts)
