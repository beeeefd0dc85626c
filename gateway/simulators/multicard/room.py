"""Multicard's room in the lab: puts its parts together and sends each address to its door."""

from __future__ import annotations

import threading

from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal
from gateway.simulators.multicard.api import Api
from gateway.simulators.multicard.buyer import BuyerPages
from gateway.simulators.multicard.control import Control
from gateway.simulators.multicard.dialogue import Dialogue
from gateway.simulators.multicard.news import Messenger
from gateway.simulators.multicard.operations import Operations
from gateway.simulators.multicard.world import World
from gateway.simulators.timers import Timers
from gateway.simulators.wire import Json, Request, Response


class MulticardRoom:
    def __init__(
        self,
        *,
        journal: Journal,
        settings: Settings,
        timers: Timers,
        faults: Faults,
        callbacks: Callbacks,
        stopped: threading.Event,
    ) -> None:
        self.world = World(
            journal=journal, settings=settings, timers=timers, faults=faults, callbacks=callbacks, stopped=stopped
        )
        messenger = Messenger(self.world)
        self._dialogue = Dialogue(self.world, messenger)
        self._api = Api(self.world, Operations(self.world, self._dialogue))
        self._buyer = BuyerPages(self.world, self._dialogue)
        self._control = Control(self.world, self._dialogue, messenger, self._buyer)

    def start(self, base_url: str) -> None:
        self.world.base_url = base_url
        self._dialogue.resume()

    def register(self, wanted: Json) -> object:
        return self.world.register(wanted)

    def handle(self, request: Request) -> Response | None:
        return self._buyer.handle(request) or self._api.handle(request)

    def control(self, request: Request) -> Response | None:
        return self._control.handle(request)

    def clear(self, *, with_accounts: bool = False) -> None:
        self.world.clear(with_accounts=with_accounts)
