"""Payme in the lab: the checkout page behind the buyer's link, and the Merchant API's calls to our callback address.

Source: docs/processors/payme.md. Amounts: tiyin. The checkout is `<lab>/payme/<base64>`; Payme has no API that we
call. It asks CheckPerform → Create → Perform, cancels, refunds, and checks every answer as the real one does.
"""
