"""The marketplace's own accounts at the processors without businesses, Razorpay and Secure Processor, at the lab."""

import json
from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.types import Mode
from providers import accounts, callback_addresses
from providers.models import MerchantAccount, Provider

KEY_BITS = 2048


def private_key() -> str:
    """A new RSA key as PEM: the lab signs its callbacks with it, as the processor does with the shop's."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def open_accounts(provider: Provider, kept: Mapping[str, str], *, now: datetime) -> dict[str, str]:
    """`ACCOUNT_<PROCESSOR>` → id. What somebody registered otherwise stays as it is."""
    found = {}
    for processor, credentials in _credentials(kept).items():
        account = MerchantAccount.objects.filter(
            provider=provider, business_id="", processor=processor, mode=Mode.TEST.value, retired_at=None
        ).first() or accounts.save_credentials(
            provider=provider,
            processor=processor,
            mode=Mode.TEST,
            credentials=credentials,
            business_name="Marketplace",
            now=now,
        )
        found[f"ACCOUNT_{processor.upper()}"] = str(account.pk)
    return found


def lab_accounts(kept: Mapping[str, str]) -> dict[str, str]:
    """The same accounts as the lab knows them."""
    secret_half = {"secure_processor": {"privateKey": kept["SECURE_PROCESSOR_PRIVATE_KEY"]}}
    return {
        f"LAB_{processor.upper()}_ACCOUNTS": json.dumps(
            [
                {
                    **{name: text for name, text in credentials.items() if name != "publicKey"},
                    **secret_half.get(processor, {}),
                    "name": "Marketplace",
                    "webhook_url": callback_addresses.shared(processor)["webhook"],
                }
            ]
        )
        for processor, credentials in _credentials(kept).items()
    }


def _credentials(kept: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        "razorpay": {
            "keyId": kept["RAZORPAY_KEY_ID"],
            "keySecret": kept["RAZORPAY_KEY_SECRET"],
            "webhookSecret": kept["RAZORPAY_WEBHOOK_SECRET"],
        },
        "secure_processor": {
            "shopId": "40001",
            "secretKey": kept["SECURE_PROCESSOR_SECRET_KEY"],
            "publicKey": _public_key(kept["SECURE_PROCESSOR_PRIVATE_KEY"]),
        },
    }


def _public_key(pem: str) -> str:
    public = serialization.load_pem_private_key(pem.encode(), password=None).public_key()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, info).decode()
