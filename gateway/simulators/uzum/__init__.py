"""Uzum Bank in the lab: the phone app in which a buyer finds the order, and the bank's calls to our callback addresses.

Source: docs/processors/uzum.md. Amounts: tiyin. The app is `<lab>/uzum/`, the bank's web link
`<lab>/uzum/open-service?…`; the bank has no API that we call. It asks check → create → confirm, polls status when a
confirm is not answered well, reverses, and checks every answer as the real one does.
"""
