"""The demo's rows, made through the domain's own functions. Running it again changes only addresses."""

import json
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from checkout.management.demo import household, sandbox, shop
from gateway.types import Mode
from providers import accounts, keys, members, signing_secrets, staff
from providers.models import ApiKey, Provider, Role, Service

SLUG = "marketplace"
SERVICE_SLUG = "premium-credits"


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the processes and `var/demo.env` are told."""

    demo_env: dict[str, str]
    lab_environment: dict[str, str]


def seed() -> Seeded:
    now = timezone.now()
    kept = household.kept_secrets()
    inbox = f"{settings.LAB_URL}/inbox/{household.INBOX}"
    service, _made = Service.objects.get_or_create(
        slug=SERVICE_SLUG,
        defaults={
            "title": "Premium Credits",
            "description": "Credits for your account at the Marketplace, five dollars each.",
            "price_minor": 500,
            "currency": "USD",
        },
    )
    provider, _made = Provider.objects.update_or_create(
        slug=SLUG,
        defaults={
            "webhook_url": inbox,
            "success_redirect_url": inbox + "?orderId={orderId}",
            "cancel_redirect_url": f"{settings.BASE_URL}/services/{SERVICE_SLUG}?orderId={{orderId}}",
        },
        create_defaults={
            "name": "Marketplace",
            "service": service,
            "currency": "USD",
            "webhook_url": inbox,
            "success_redirect_url": inbox + "?orderId={orderId}",
            "cancel_redirect_url": f"{settings.BASE_URL}/services/{SERVICE_SLUG}?orderId={{orderId}}",
        },
    )
    account = accounts.save_credentials(
        provider=provider,
        processor="stripe",
        mode=Mode.TEST,
        credentials={"secretKey": kept["STRIPE_KEY"], "webhookSecret": kept["STRIPE_WEBHOOK_SECRET"]},
        business_name="Marketplace",
        now=now,
    )
    if "SECURE_PROCESSOR_PRIVATE_KEY" not in kept:
        kept["SECURE_PROCESSOR_PRIVATE_KEY"] = shop.private_key()
        household.keep(kept)
    signing_secret = signing_secrets.ensure(provider, now=now).secret.reveal()
    _administrator(kept)
    # A password or a phone changed there stays changed.
    members.add_person(
        provider=provider, email=kept["PORTAL_USERNAME"], role=Role.OWNER, password=kept["PORTAL_PASSWORD"], now=now
    )
    demo_env = {
        "BASE_URL": settings.BASE_URL,
        "PROVIDER_API_KEY": _api_key(provider, kept),
        "SERVICE_ID": str(service.pk),
        "SERVICE_SLUG": service.slug,
        "SERVICE_API_KEY": settings.SERVICE_API_KEYS["test"],
        "MERCHANT_SECRET": _merchant_secret(provider, kept),
        "WEBHOOK_SIGNING_SECRET": settings.WEBHOOK_SIGNING_SECRET,
        "PROVIDER_SIGNING_SECRET": signing_secret,
        "PORTAL_USERNAME": kept["PORTAL_USERNAME"],
        "PORTAL_PASSWORD": kept["PORTAL_PASSWORD"],
        "ADMIN_USERNAME": kept["ADMIN_USERNAME"],
        "ADMIN_PASSWORD": kept["ADMIN_PASSWORD"],
        "ADMIN_TOTP_SECRET": kept["ADMIN_TOTP_SECRET"],
        "ADMIN_RECOVERY_CODES": kept["ADMIN_RECOVERY_CODES"],
        "LAB_URL": settings.LAB_URL,
        "INBOX_URL": inbox,
        "ACCOUNT_STRIPE": str(account.pk),
        **shop.open_accounts(provider, kept, now=now),
        **sandbox.open_accounts(provider, kept, now=now),
        "LAB_STRIPE_SECRET_KEY": kept["LAB_STRIPE_SECRET_KEY"],
        "LAB_STRIPE_WEBHOOK_SECRET": kept["LAB_STRIPE_WEBHOOK_SECRET"],
    }
    lab_environment = {
        "LAB_STRIPE_ACCOUNTS": json.dumps(
            [
                _stripe_at_the_lab("Marketplace", kept["STRIPE_KEY"], kept["STRIPE_WEBHOOK_SECRET"]),
                _stripe_at_the_lab("House", kept["HOUSE_STRIPE_KEY"], kept["HOUSE_STRIPE_WEBHOOK_SECRET"]),
                _stripe_at_the_lab("Unused", kept["LAB_STRIPE_SECRET_KEY"], kept["LAB_STRIPE_WEBHOOK_SECRET"]),
            ]
        ),
        **shop.lab_accounts(kept),
        **sandbox.lab_accounts(kept),
        "LAB_MAIL_DIR": str(household.MAIL),
        "LAB_INBOX_SECRETS": json.dumps({household.INBOX: [signing_secret, settings.WEBHOOK_SIGNING_SECRET]}),
    }
    return Seeded(demo_env, lab_environment)


def _stripe_at_the_lab(name: str, secret_key: str, webhook_secret: str) -> dict[str, str]:
    return {
        "name": name,
        "secret_key": secret_key,
        "webhook_url": f"{settings.BASE_URL}/api/webhooks/stripe",
        "webhook_secret": webhook_secret,
        "country": "US",
    }


def _api_key(provider: Provider, kept: dict[str, str]) -> str:
    """The key of the first run; another only where its row is gone."""
    text = kept.get("PROVIDER_API_KEY", "")
    if text and ApiKey.objects.filter(digest=keys.digest_of(text)).exists():
        return text
    _key, text = keys.issue_key(provider=provider, mode=Mode.TEST, name="Demo", now=timezone.now())
    kept["PROVIDER_API_KEY"] = text  # kept whole: the next secret is written beside it
    household.keep(kept)
    return text


def _merchant_secret(provider: Provider, kept: dict[str, str]) -> str:
    """Of the same provider; kept as its key is."""
    text = kept.get("MERCHANT_SECRET", "")
    if text and ApiKey.objects.filter(digest=keys.digest_of(text)).exists():
        return text
    kind = ApiKey.Kind.MERCHANT_SECRET
    _key, text = keys.issue_key(provider=provider, mode=Mode.TEST, kind=kind, name="Demo", now=timezone.now())
    kept["MERCHANT_SECRET"] = text
    household.keep(kept)
    return text


def _administrator(kept: dict[str, str]) -> None:
    """The first person of the back office. A password or a phone changed there stays changed."""
    now = timezone.now()
    staff.ensure_roles()
    user = User.objects.filter(username=kept["ADMIN_USERNAME"]).first()
    if user is None:
        user = User.objects.create_superuser(username=kept["ADMIN_USERNAME"], password=kept["ADMIN_PASSWORD"])
        staff.set_role(user=user, role=staff.ADMIN, actor=None, now=now)
        staff.add_device(user=user, secret=kept["ADMIN_TOTP_SECRET"], now=now)
    if "ADMIN_RECOVERY_CODES" not in kept:
        kept["ADMIN_RECOVERY_CODES"] = " ".join(staff.fresh_recovery_codes(user=user, now=now))
        household.keep(kept)
