"""Secure Processor (beGateway) in the lab: checkout tokens with a page and a widget, transactions, signed callbacks.

Source: docs/processors/secure-processor.md. Amounts: minor units as beGateway counts them. One base address,
`<lab>/secure_processor`, serves what the real one spreads over its checkout, gateway and script hosts.
"""
