"""Who the buyer buys from, by the name they know."""

import re

from django.db.models import F

from checkout.models import Order
from gateway import registry
from providers.models import MerchantAccount

HOUSE_NAME = "DZTech"  # the seller of an order without a provider


def seller_name(order: Order) -> str:
    """The business's name where the order is a business's, else the provider's, else ours.

    One query for an order with a business id, none for others: the same answer in every state of the order.
    """
    return _business_name(order) or order.provider_name or HOUSE_NAME


def _business_name(order: Order) -> str:
    if not order.business_id:
        return ""
    named = (
        MerchantAccount.objects.filter(provider=order.provider_id, business_id=order.business_id, mode=order.mode)
        .exclude(business_name="")
        .order_by(F("retired_at").desc(nulls_first=True), "created_at", "id")
        .values_list("business_name", "processor")
    )
    return next((name for account in named if (name := name_without_processor(*account))), "")


def name_without_processor(name: str, processor: str) -> str:
    """`Restoran A — Click` is Restoran A: marketplaces name the account, the buyer knows the business."""
    entry = registry.PROCESSORS.get(processor)
    names = {processor, processor.replace("_", " "), entry.name if entry else processor}
    words = "|".join(re.escape(word) for word in sorted(names, key=len, reverse=True))
    return re.sub(rf"(^|\s*[—–|:·,/(\[-]+\s*)({words})\s*[)\]]?\s*$", "", name, flags=re.IGNORECASE).strip()
