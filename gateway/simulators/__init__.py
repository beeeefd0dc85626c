"""The processor lab: stateful simulators of the processors, each with its API, its buyer's page and its callbacks.

One process of its own (`python -m gateway.simulators`), standard library only, loopback only. It shares no code
with the adapters it is used to try out and is never part of a production deployment.
"""
