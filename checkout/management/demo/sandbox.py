"""The demo's business `sandbox` of the marketplace: an account at each processor of the Invoice API, all at the lab."""

import json
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings

from gateway import registry
from gateway.types import Mode
from providers import accounts
from providers.models import MerchantAccount, Provider

BUSINESS = "sandbox"


def credentials_of(kept: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Processor → credentials, of which the ids stay the same and the secrets are this demo's own."""
    return {
        "multicard": {  # Multicard's public sandbox: what its documentation tells everybody to try first
            "applicationId": "rhmt_test",
            "secret": "Pw18axeBFo8V7NamKHXX",
            "storeId": "a1df872e-d5aa-11ee-8de8-005056b4367d",
        },
        "click": {
            "serviceId": "10001",
            "merchantId": "20001",
            "secretKey": kept["CLICK_SECRET"],
            "merchantUserId": "30001",
        },
        "payme": {"merchantId": "64a1f0c2d3e4b5a697887766", "key": kept["PAYME_SECRET"]},
        "uzum": {"serviceId": "498001", "login": "dztech-demo", "password": kept["UZUM_SECRET"]},
    }


def open_accounts(provider: Provider, kept: Mapping[str, str], *, now: datetime) -> dict[str, str]:
    """`ACCOUNT_<PROCESSOR>` → id. What somebody registered otherwise for the sandbox stays as it is."""
    found = {}
    for processor, credentials in credentials_of(kept).items():
        account = MerchantAccount.objects.filter(
            provider=provider, business_id=BUSINESS, processor=processor, mode=Mode.TEST.value, retired_at=None
        ).first() or accounts.save_credentials(
            provider=provider,
            processor=processor,
            mode=Mode.TEST,
            credentials=credentials,
            business_id=BUSINESS,
            business_name=f"Sandbox — {registry.get(processor).name}",
            now=now,
        )
        found[f"ACCOUNT_{processor.upper()}"] = str(account.pk)
    return found


def lab_accounts(kept: Mapping[str, str]) -> dict[str, str]:
    """The same accounts as the lab knows them, and where it calls back."""
    return {
        f"LAB_{processor.upper()}_ACCOUNTS": json.dumps(
            [
                {
                    **credentials,
                    "name": "Sandbox",
                    "webhook_url" if processor == "multicard" else "callback_url": (
                        f"{settings.BASE_URL}/api/callbacks/{processor}"
                    ),
                }
            ]
        )
        for processor, credentials in credentials_of(kept).items()
    }
