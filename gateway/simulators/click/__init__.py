"""Click in the lab: the payment page, the SHOP-API's calls to our callback addresses, and Merchant API v2.

Source: docs/processors/click.md. Amounts: som, in fiscal items tiyin. The page is `<lab>/click/services/pay?…`, the API
`<lab>/click/v2/merchant/…`. Every answer to a Prepare or Complete is read as strictly as Click's documents are.
"""
