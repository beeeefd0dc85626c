"""Where each operation of the simulated API is. A new family of objects is added here."""

from __future__ import annotations

from gateway.simulators.stripe.checkout_operations import Links, Sessions
from gateway.simulators.stripe.operations import Operation, Others, PaymentIntents, Refunds
from gateway.simulators.stripe.world import World
from gateway.simulators.wire import Router


def build(world: World) -> Router[Operation]:
    router: Router[Operation] = Router()
    for family in (PaymentIntents(world), Sessions(world), Links(world), Refunds(world), Others(world)):
        for method, path, name, operation in family.routes():
            router.add(method, path, name, operation)
    return router
