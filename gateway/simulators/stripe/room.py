"""Stripe's room in the lab: puts its parts together and sends each address to its door."""

from __future__ import annotations

import threading

from gateway.simulators.callbacks import Callbacks
from gateway.simulators.config import Settings
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal
from gateway.simulators.stripe import outcomes, overview, refunds, sessions
from gateway.simulators.stripe.api import Api
from gateway.simulators.stripe.buyer import BuyerPages
from gateway.simulators.stripe.checkout_page import CheckoutPages
from gateway.simulators.stripe.control import Control
from gateway.simulators.stripe.events import Messenger
from gateway.simulators.stripe.world import World
from gateway.simulators.timers import Timers
from gateway.simulators.wire import Json, Request, Response, text_response


class StripeRoom:
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
        self.world = World(journal=journal, settings=settings, timers=timers, faults=faults, callbacks=callbacks)
        self.world.intent_hook = lambda intent, was: sessions.follow(self.world, intent, was)
        self._api = Api(self.world, stopped)
        self._buyer = BuyerPages(self.world)
        self._checkout = CheckoutPages(self.world)
        self._control = Control(self.world, Messenger(self.world))

    def start(self, base_url: str) -> None:
        self.world.base_url = base_url
        for intent in self.world.intents.all():
            if intent.status == "processing":
                outcomes.settle_later(self.world, intent)
        for session in self.world.sessions.all():
            if session.status == "open":
                sessions.expire_later(self.world, session)
        for refund in self.world.refunds.all():
            if refund.status == "pending":
                refunds.settle_later(self.world, refund)

    def register(self, wanted: Json) -> object:
        return self.world.register(wanted)

    def handle(self, request: Request) -> Response | None:
        if request.path.startswith("/v1"):
            return self._api.handle(request)
        if request.path == "/elsewhere":
            return text_response("This is not the API you were looking for.", 404)
        return self._checkout.handle(request) or self._buyer.handle(request)

    def control(self, request: Request) -> Response | None:
        return self._control.handle(request)

    def link_form(self) -> str:
        with self.world.lock:
            return overview.link_form(self.world)

    def clear(self, *, with_accounts: bool = False) -> None:
        self.world.clear(with_accounts=with_accounts)
