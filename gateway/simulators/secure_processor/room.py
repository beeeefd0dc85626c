"""Secure Processor's room in the lab: puts its parts together and sends each address to its door."""

from __future__ import annotations

import threading

from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal
from gateway.simulators.secure_processor import outcomes
from gateway.simulators.secure_processor.api import Api
from gateway.simulators.secure_processor.buyer import BuyerPages
from gateway.simulators.secure_processor.control import Control
from gateway.simulators.secure_processor.news import Messenger
from gateway.simulators.secure_processor.world import World
from gateway.simulators.timers import Timers
from gateway.simulators.wire import Json, Request, Response


class SecureProcessorRoom:
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
        self._api = Api(self.world)
        self._buyer = BuyerPages(self.world)
        self._control = Control(self.world, messenger)

    def start(self, base_url: str) -> None:
        self.world.base_url = base_url
        for row in self.world.transactions.all():
            if row.settles_at is not None:
                outcomes.settle_later(self.world, row)

    def register(self, wanted: Json) -> object:
        return self.world.register(wanted)

    def handle(self, request: Request) -> Response | None:
        return self._buyer.handle(request) or self._api.handle(request)

    def control(self, request: Request) -> Response | None:
        return self._control.handle(request)

    def clear(self, *, with_accounts: bool = False) -> None:
        self.world.clear(with_accounts=with_accounts)
