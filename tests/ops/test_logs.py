"""Log lines: one object each, findable by the request's id, and no secret in any of them."""

import io
import json
import logging
import logging.config

import pytest
import structlog

from config.logs import make_formatter, redact

KEY = "provider_test_" + "0a" * 24
STRIPE = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "tok_" + "5f" * 16


@pytest.fixture
def lines():
    """What the product writes, as read by whoever collects it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make_formatter("json"))
    root = logging.getLogger()
    root.addHandler(handler)
    before, root.level = root.level, logging.INFO
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(before)


def test_every_request_has_one_line_with_its_id_and_without_query_and_body(client, lines, db):
    client.post(
        "/api/orders?externalId=private",
        {"payer": "anna@shop.test"},
        "application/json",
        headers={"x-request-id": "shop-request-1", "x-api-key": KEY},
    )
    [line] = [line for line in lines() if line["logger"] == "pay.request"]
    assert line["request_id"] == "shop-request-1"
    assert (line["method"], line["path"], line["client"]) == ("POST", "/api/orders", "127.0.0.1")
    assert line["status"] >= 400
    assert line["level"] == "info"
    assert isinstance(line["ms"], float)
    written = json.dumps(lines())
    for secret in ("private", "anna@shop.test", KEY):
        assert secret not in written


def test_the_address_of_a_checkout_page_is_not_whole_in_the_line(client, lines, db):
    client.get(f"/checkout/o/{TOKEN}")
    assert TOKEN not in json.dumps(lines())
    assert "/checkout/o/tok_5f5f5f…" in json.dumps(lines(), ensure_ascii=False)


@pytest.mark.parametrize("secret", [KEY, STRIPE, SIGNING, TOKEN, "4242424242424242", "4242 4242 4242 4242"])
def test_a_secret_that_slips_into_a_message_a_field_or_an_exception_is_masked(lines, secret):
    logger = logging.getLogger("checkout.anything")
    logger.warning("the processor said %s", secret)
    logger.warning("a field", extra={"answer": {"nested": [secret]}})
    try:
        raise ValueError(f"bad key {secret}")
    except ValueError:
        logger.exception("failed")
    structlog.get_logger("webhooks").warning("told", url=f"https://shop.test/hook?token={secret}")
    written = json.dumps(lines(), ensure_ascii=False)
    assert len(lines()) == 4
    assert secret not in written


def test_fields_named_like_secrets_never_show_their_value(lines):
    structlog.get_logger("x").warning("told", password="hunter2-hunter2", body="whole body", Authorization="abc")
    written = json.dumps(lines(), ensure_ascii=False)
    for secret in ("hunter2", "whole body", "abc"):
        assert secret not in written


def test_the_database_password_in_an_address_is_masked():
    assert redact("postgres://pay:hunter2@db/pay") == "postgres://pay:…@db/pay"


@pytest.mark.parametrize(
    "harmless",
    [
        "2026-11-21T01:36:04.030Z",
        "1795225864057428",
        "01a1fbcc-5ac6-76f1-8d2f-cee8f13e292e",
        "ORDER-1001",
        "tok",
        "pi_gSJ7Duzp1IQWVcXetkZj9us5",
    ],
)
def test_what_is_no_secret_stays_readable(harmless):
    assert redact(harmless) == harmless


def test_what_a_task_logs_carries_its_name_and_its_id(lines):
    from celery import shared_task

    @shared_task(name="tests.says_something")
    def say():
        logging.getLogger("webhooks.anything").info("at work")

    done = say.apply()
    logging.getLogger("webhooks.anything").info("after")
    at_work, after = [line for line in lines() if line["logger"] == "webhooks.anything"]
    assert (at_work["task"], at_work["task_id"]) == ("tests.says_something", done.id)
    assert "task_id" not in after
