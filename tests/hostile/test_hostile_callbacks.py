"""Malformed and hostile callbacks at every address: each answered in the processor's own form, nothing changed."""

import hashlib
import json
import logging
import os
import time
from dataclasses import replace

import pytest
from django.apps import apps
from django.db import models
from django.test import Client
from django.utils import timezone

from checkout import decisions, invoices
from checkout.models import CallbackRecord, Order, ProcessorTransaction
from gateway import registry
from gateway.money import Money
from gateway.questions import Create, Done, Perform
from gateway.types import Mode
from providers import accounts
from providers.models import MerchantAccount
from tests.asking import ASKING, CREDENTIALS, lines
from tests.builders import make_provider
from tests.hostile.requests_of import AMOUNT, Maker, World

pytestmark = pytest.mark.django_db(transaction=True)
SEED = int(os.environ.get("HOSTILE_SEED", "20260512"))
UZUM_CODES = {f"1000{n}" for n in (1, 2, 3, 5, 6, 7, 8, 9)} | {f"100{n}" for n in range(10, 19)}


@pytest.fixture
def world(asking_lab):
    """For each processor an order that waits, one that is paid, and a reservation that is alive."""
    provider = make_provider(with_account=False, webhook_url="")
    found = World({}, {}, {})
    for slug in ASKING:
        asking_lab.control(f"/{slug}/accounts", **_in_lab(slug))
        account = accounts.save_credentials(
            provider=provider, business_id="biz_42", processor=slug, mode=Mode.TEST, now=timezone.now(),
            credentials=CREDENTIALS[slug],
        )  # fmt: skip
        found.accounts[slug] = str(account.pk)
        waits, paid, held = (_invoice(provider, slug, f"{slug}-{number}") for number in range(3))
        _reserve(paid, account, f"paid-{slug}")
        _settle(paid, account, f"paid-{slug}")
        _reserve(held, account, f"held-{slug}")
        found.open[slug], found.paid[slug] = str(waits.pk), str(paid.pk)
    return found


def _in_lab(slug):
    url = f"http://127.0.0.1:9/api/callbacks/{slug}"
    return {**CREDENTIALS[slug], "webhook_url" if slug == "multicard" else "callback_url": url}


def _invoice(provider, slug, name):
    wanted = invoices.Wanted(
        provider=provider, mode=Mode.TEST, business_id="biz_42", processor=slug, amount=Money(AMOUNT, "UZS"),
        source_invoice_id=name, notify_url="https://shop.test/hook", items=lines(AMOUNT),
    )  # fmt: skip
    return invoices.open_invoice(wanted, cause="test", now=timezone.now())[0]


def _reserve(order, account, transaction):
    if account.processor == "multicard":
        return
    now = timezone.now()
    question = Create(str(order.pk), order.money, transaction, their_time=now)
    answer = decisions.answer(question, accounts=[account], cause="test", now=now)
    assert isinstance(answer, Done), answer


def _settle(order, account, transaction):
    question = Perform(transaction, reference=str(order.pk), money=order.money)
    answer = decisions.answer(question, accounts=[account], cause="test", now=timezone.now())
    assert isinstance(answer, Done), answer


def checksums():
    """Table → digest of all its rows, but for the record of the callbacks themselves."""
    found = {}
    for model in apps.get_models():
        if model is CallbackRecord or model._meta.proxy:
            continue
        columns = [f.attname for f in model._meta.concrete_fields if not isinstance(f, models.GeneratedField)]
        digest = hashlib.sha256()
        for row in model._base_manager.order_by("pk").values_list(*columns):
            digest.update(repr(row).encode())
        found[model._meta.label] = digest.hexdigest()
    return found


# --- the processors' own forms: a text of what is wrong, or "" -------------------------------------------------------


def payme(request, answer):
    if answer.status_code != 200:
        return f"HTTP {answer.status_code}"
    body = json.loads(answer.content)
    if set(body) - {"jsonrpc", "id", "result", "error"} or ("error" in body) == ("result" in body):
        return f"members {sorted(body)}"
    if "result" in body:
        return "" if request.is_true else "a result without the key"
    error = body["error"]
    if error["code"] == -32400:
        return "our own fault"
    if not all(error["message"].get(language) for language in ("ru", "uz", "en")):
        return "no texts"
    if -31099 <= error["code"] <= -31050 and error.get("data") != "order_id":
        return "no data"
    return "" if type(error["code"]) is int and -32800 < error["code"] < -31000 else f"code {error['code']}"


def click(request, answer):
    if request.method == "OPTIONS":
        return "" if answer.status_code == 204 else f"HTTP {answer.status_code}"
    if answer.status_code != 200:
        return f"HTTP {answer.status_code}"
    body = json.loads(answer.content)
    if type(body.get("error")) is not int or not body.get("error_note"):
        return f"members {body}"
    if body["error"] == -7:
        return "our own fault"
    return "" if body["error"] in range(-9, 0) else f"accepted: {body}"


def uzum(request, answer):
    if answer.status_code != 400:
        return f"HTTP {answer.status_code}" if answer.status_code != 200 or not request.is_true else _is_check(request)
    body = json.loads(answer.content)
    if body.get("status") != "FAILED" or body.get("errorCode") not in UZUM_CODES:
        return f"members {body}"
    return ""


def _is_check(request):
    """The amount is no part of /check, so a true one may hear yes: it reserves nothing."""
    return "" if "/check" in request.path else "accepted"


def multicard(request, answer):
    body = json.loads(answer.content)
    if answer.status_code not in (200, 400, 405) or body.get("success") is not False:
        return f"HTTP {answer.status_code} {body}"
    return "" if body.get("message") else "no message"


FORMS = {"payme": payme, "click": click, "uzum": uzum, "multicard": multicard}


def send(client, request):
    return client.generic(
        request.method, request.path, request.body, content_type=request.kind, headers=request.headers
    )  # fmt: skip


def complaint(request, answer):
    if not (request.slug == "click" and request.method == "OPTIONS"):
        kind = answer.headers.get("Content-Type", "")
        if not kind.startswith("application/json"):
            return f"content type {kind!r}: {answer.content[:100]!r}"
    try:
        return FORMS[request.slug](request, answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {answer.status_code} {answer.content[:200]!r}"


def bombard(world, count):
    """(how many of each status, complaints)"""
    client = Client(raise_request_exception=False)
    complaints, statuses = [], {}
    for request in Maker(world, SEED).requests(count):
        answer = send(client, request)
        statuses[request.slug, answer.status_code] = statuses.get((request.slug, answer.status_code), 0) + 1
        wrong = complaint(request, answer)
        if wrong:
            complaints.append((wrong, request))
    return statuses, complaints


def nothing_happens(world, count):
    logging.disable(logging.WARNING)
    before, started = checksums(), time.monotonic()
    try:
        statuses, complaints = bombard(world, count)
    finally:
        logging.disable(logging.NOTSET)
    print(f"{count} requests in {time.monotonic() - started:.1f} s: {statuses}")
    assert complaints == [], f"{len(complaints)} of {count}, the first: {complaints[0]}"
    assert checksums() == before
    assert sum(statuses.values()) == count and not any(status >= 500 for _, status in statuses)
    assert Order.objects.filter(status="paid").count() == len(ASKING)
    assert ProcessorTransaction.objects.filter(state="created").count() == len([s for s in ASKING if s != "multicard"])
    assert MerchantAccount.objects.count() == len(ASKING)


def test_six_hundred_hostile_callbacks_change_nothing_and_are_answered_in_form(world):
    nothing_happens(world, 600)


@pytest.mark.slow
@pytest.mark.timeout(600)  # half a minute on a quiet machine
def test_ten_thousand_hostile_callbacks_change_nothing_and_are_answered_in_form(world):
    nothing_happens(world, 10_000)


@pytest.mark.parametrize("slug", ASKING)
@pytest.mark.parametrize("size", [520 * 1024, 5 * 1024 * 1024])
def test_a_body_too_large_to_be_read_is_refused_in_form_as_well(world, slug, size):
    maker = Maker(world, SEED)
    true = next(made for made in (getattr(maker, slug)(True) for _ in range(100)) if made.kind != "multipart/form-data")
    request = replace(true, body=true.body + b" " * size)
    answer = send(Client(raise_request_exception=False), request)
    assert complaint(request, answer) == ""


def test_after_all_that_the_true_ones_are_still_granted(world):
    """The checks above would also pass if we refused everybody."""
    logging.disable(logging.WARNING)
    bombard(world, 200)
    logging.disable(logging.NOTSET)
    for slug in ASKING:
        account = MerchantAccount.objects.get(pk=world.accounts[slug])
        order = Order.objects.get(pk=world.open[slug])
        _reserve(order, account, f"true-{slug}")
        _settle(order, account, f"true-{slug}")
        order.refresh_from_db()
        assert (order.status, order.paid_by.processor) == ("paid", slug)
        assert registry.get(slug).slug == slug
