"""`manage.py certify <processor>`: play the processor's own scenarios against an endpoint, and print the score.

Ends with 0 when all passed, 1 when one failed, 2 when nothing could be played.
"""

import importlib
import json
import logging
import os
import pkgutil
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from checkout.management.order_sources import ApiOrders, CommandOrders, Orders, OwnOrders
from gateway import certify as lists
from gateway.certify import score
from gateway.certify.score import Scenario, Target
from gateway.types import Mode
from providers import accounts
from providers.models import MerchantAccount

AMOUNT_MINOR = 1_500_000
DEMO_SOURCE, DEMO_BUSINESS = "marketplace", "sandbox"
KEY_VARIABLES = ("SERVICE_API_KEY_TEST", "SERVICE_API_KEY")
EXAMPLES = """
Three ways to say who is examined:

  this installation, in test mode; orders are opened in its database
      manage.py certify payme --account 7d1c…            (in the demo: manage.py certify payme)
  an installation of ours elsewhere; orders are opened through its Invoice API
      SERVICE_API_KEY=… manage.py certify payme --url https://pay.example --source marketplace --business biz_42 \\
          --credentials payme.json
  anybody's endpoint; orders come from a command that prints "<order> <amount in tiyin>"
      manage.py certify click --endpoint prepare=https://shop.example/click/prepare \\
          --endpoint complete=https://shop.example/click/complete --credentials click.json \\
          --new-order "php artisan order:fresh" --ended-order "php artisan order:cancelled"

Credentials are a JSON object with the names of `GET /api/merchants/supported`; "-" reads it from standard input.
(Multicard, where storeId is a UUID: also "store", the number that its callbacks carry.)
Orders of a certification are paid, cancelled and refunded as any others: their webhooks go out. Never live ones.
"""


class Command(BaseCommand):
    help = "Play a processor's own scenarios against an endpoint and print the score."
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = EXAMPLES
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("processor", choices=sorted(known_lists()))
        parser.add_argument("--url", default="", help="the callback address, or the base address of an installation")
        parser.add_argument(
            "--endpoint", action="append", default=[], metavar="NAME=URL", help="one of several (prepare, check, …)"
        )
        parser.add_argument("--account", type=UUID, help="a test account of this installation, by id")
        parser.add_argument("--credentials", default="", metavar="FILE", help="JSON, for endpoints elsewhere")
        parser.add_argument("--source", default="", help="of the Invoice API")
        parser.add_argument("--business", default="", help="of the Invoice API")
        parser.add_argument("--new-order", default="", metavar="COMMAND", help="prints a fresh order and its amount")
        parser.add_argument("--ended-order", default="", metavar="COMMAND", help="prints one that was cancelled")
        parser.add_argument("--cancel-order", default="", metavar="COMMAND", help="cancels the order named behind it")
        parser.add_argument("--amount", type=int, default=AMOUNT_MINOR, help="of each order, in tiyin")
        parser.add_argument("--twice", action="store_true", help="send every call twice")
        parser.add_argument("--threads", type=int, default=1, help="play the list in so many threads at once")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["threads"] < 1:
            raise CommandError("--threads must be 1 or more.", returncode=2)
        run = known_lists()[options["processor"]]()
        target = _target(options)
        how = [f"{options['threads']} threads at once"] if options["threads"] > 1 else []
        how += ["every call twice"] if options["twice"] else []
        where = " and ".join(dict.fromkeys(target.urls.values()))
        self.stdout.write(f"{options['processor']} at {where}" + (f", {', '.join(how)}" if how else "") + "\n\n")
        with _without_a_line_a_call():
            found = score.certify(run, target, threads=options["threads"])
        self.stdout.write(score.table(found))
        if not found or not all(scenario.passed for scenario in found):
            sys.exit(1)


@contextmanager
def _without_a_line_a_call() -> Iterator[None]:
    logger = logging.getLogger("gateway.http")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def known_lists() -> dict[str, Callable[[], Callable[[Target], Iterator[Scenario]]]]:
    """Processor → what loads its list."""

    def loader(name: str) -> Callable[[], Callable[[Target], Iterator[Scenario]]]:
        return lambda: importlib.import_module(f"{lists.__name__}.{name}").run  # type: ignore[no-any-return]

    names = [module.name for module in pkgutil.iter_modules(lists.__path__) if module.name != "score"]
    return {name: loader(name) for name in names}


def _target(options: dict[str, Any]) -> Target:
    """CommandError (2) where the options do not say who is examined, how it is called or what can be paid."""
    source: Orders
    has_ended = can_cancel = True
    if options["new_order"]:
        source = CommandOrders(options["new_order"], options["ended_order"], options["cancel_order"])
        has_ended, can_cancel = bool(options["ended_order"]), bool(options["cancel_order"])
        base, credentials = "", _credentials(options)
    elif options["source"] or options["business"]:
        source, base = _api(options)
        credentials = _credentials(options)
    else:
        account = _account(options)
        source = own = OwnOrders(account, options["amount"])
        credentials = accounts.credentials_of(account)
        if account.processor == "multicard":
            credentials |= own.learned()
        base = settings.BASE_URL
    return Target(
        urls=_urls(options, base),
        credentials=credentials,
        new_order=source.new,
        ended_order=source.ended if has_ended else None,
        cancel_order=source.cancel if can_cancel else None,
        is_doubled=options["twice"],
    )


def _urls(options: dict[str, Any], base: str) -> dict[str, str]:
    urls = {}
    for pair in options["endpoint"]:
        name, equals, url = pair.partition("=")
        if not equals or not urlsplit(url).netloc:
            raise CommandError(f"--endpoint must be NAME=URL, not {pair!r}.", returncode=2)
        urls[name] = url
    given = options["url"] or ("" if urls else base)
    if given:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise CommandError(f"--url must be an http address, not {given!r}.", returncode=2)
        is_base = parts.path in ("", "/") and not options["new_order"]
        urls[""] = f"{given.rstrip('/')}/api/callbacks/{options['processor']}" if is_base else given
    if not urls:
        raise CommandError("Say where the endpoint is: --url, or --endpoint for each of several.", returncode=2)
    return urls


def _account(options: dict[str, Any]) -> MerchantAccount:
    """The one named, else the demo's. Never a live one: the scenarios would pay real orders with no money."""
    rows = MerchantAccount.objects.select_related("provider").filter(processor=options["processor"])
    if options["account"]:
        account = rows.filter(pk=options["account"]).first()
    elif settings.DEMO:
        account = rows.filter(
            provider__slug=DEMO_SOURCE, business_id=DEMO_BUSINESS, mode=Mode.TEST.value, retired_at=None
        ).first()
    else:
        raise CommandError("Say who is examined: --account, --source and --business, or --new-order.", returncode=2)
    if account is None:
        raise CommandError(f"There is no such account at {options['processor']}.", returncode=2)
    if account.mode != Mode.TEST.value:
        raise CommandError("That account is live: its orders would count as paid without any money.", returncode=2)
    if account.provider is None or not account.is_usable:
        raise CommandError("That account cannot take payments: retired, switched off, or the house's.", returncode=2)
    return account


def _api(options: dict[str, Any]) -> tuple[ApiOrders, str]:
    key = next((found for name in KEY_VARIABLES if (found := os.environ.get(name, ""))), "")
    parts = urlsplit(options["url"])
    if not key or not options["source"] or not options["business"] or not parts.netloc:
        raise CommandError(
            f"Orders through the Invoice API need --url, --source, --business and {' or '.join(KEY_VARIABLES)}.",
            returncode=2,
        )
    base = f"{parts.scheme}://{parts.netloc}"
    orders = ApiOrders(
        base_url=base,
        key=key,
        source=options["source"],
        business_id=options["business"],
        processor=options["processor"],
        amount_minor=options["amount"],
    )
    return orders, base


def _credentials(options: dict[str, Any]) -> dict[str, str]:
    if not options["credentials"]:
        raise CommandError("--credentials is needed: a JSON file, or - for standard input.", returncode=2)
    try:
        text = sys.stdin.read() if options["credentials"] == "-" else Path(options["credentials"]).read_text("utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandError(f"The credentials cannot be read: {type(error).__name__}.", returncode=2) from error
    if not isinstance(found, dict):
        raise CommandError("The credentials must be a JSON object.", returncode=2)
    return {str(name): str(value) for name, value in found.items()}
