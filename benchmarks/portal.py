"""The merchant's portal, and the Provider API's list of orders, before a seller with a million orders, on PostgreSQL:
milliseconds and queries of each page.

    python benchmarks/portal.py [--orders 1000000] [--rounds 5] [--slow 50] [--database postgres://…]

Rows are made by the database itself, spread over a year: 83 % paid, five states beside, three processors and a rare
one, two currencies and a rare one, a second seller beside. Without `--database` a server of its own is started and
thrown away; a given one is filled only if it is empty. A page is the whole answer of the product, its template
included, asked in one process without a socket. What takes longer than `--slow` ms shows its plan.
"""
# ruff: noqa: T201, S608

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parent.parent
sys.path.insert(0, str(ROOT))

UUID7 = """(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || substr(md5({seed}), 1, 3) || '8'
            || substr(md5({seed}), 4, 15))::uuid"""

ORDERS = f"""
INSERT INTO checkout_order (id, token, receipt_code, dialect, mode, provider_id, service_id, provider_name,
    service_name, description, quantity, external_id, business_id, processor, captures_later, link_ref, details,
    amount_minor, currency, status, lang, payer_email, success_url, cancel_url, notify_url, items, shares_external_id,
    paid_by_id, paid_at, is_late, refunded_minor, ended_at, last_sequence, expires_at, created_at)
SELECT {UUID7.format(at="at", seed="'o' || n || %(seed)s")},
    'tok_' || md5('t' || n || %(seed)s), 'rcp_' || md5('r' || n || %(seed)s), 'provider', 'test', %(provider)s, NULL,
    'Bench', 'Credits', '', 1, 'ORDER-' || n, CASE WHEN n %% 4 = 0 THEN 'shop-' || n %% 50 ELSE '' END, '', false, '',
    '{{}}', 100 + n * 7919 %% 500000, currency, status, '',
    CASE WHEN n %% 3 = 0 THEN 'buyer' || n || '@mail.test' ELSE '' END, '', '', '', '[]', false,
    CASE WHEN status IN ('paid', 'refunded') THEN {UUID7.format(at="at", seed="'p' || n || %(seed)s")} END,
    CASE WHEN status IN ('paid', 'refunded') THEN at + interval '40 seconds' END, false,
    CASE WHEN status = 'refunded' THEN 100 + n * 7919 %% 500000 ELSE 0 END,
    CASE WHEN status IN ('failed', 'cancelled', 'expired') THEN at + interval '1 day' END, 4, at + interval '1 day', at
FROM (SELECT n, now() - (%(count)s - n) * (interval '365 days' / %(count)s) AS at,
        CASE WHEN n %% 1000 = 500 THEN 'JPY' WHEN n %% 50 = 7 THEN 'EUR' ELSE 'USD' END AS currency,
        CASE WHEN n %% 100 < 81 THEN 'paid' WHEN n %% 100 < 83 THEN 'refunded' WHEN n %% 100 < 91 THEN 'failed'
            WHEN n %% 100 < 96 THEN 'expired' WHEN n %% 1000 = 999 THEN 'processing' ELSE 'cancelled' END AS status
    FROM generate_series(1::bigint, %(count)s) AS n) AS rows
"""
PAYMENTS = f"""
INSERT INTO checkout_payment (id, order_id, account_id, processor, method, status, amount_minor, currency,
    processor_ref, processor_data, capture_ref, pay_url, pay_mobile_url, is_final_there, failure_code,
    failure_message, failure_advice, captured_minor, captured_at, refunded_minor, is_duplicate, is_disputed,
    review_reason, reported_minor, reported_currency, reviewed_at, asked, last_asked_at, next_ask_at, created_at,
    updated_at)
SELECT {UUID7.format(at="at", seed="'p' || n || %(seed)s")}, {UUID7.format(at="at", seed="'o' || n || %(seed)s")},
    CASE WHEN n %% 5000 = 3 THEN %(razorpay)s::uuid WHEN n %% 4 = 0 THEN %(payme)s::uuid ELSE %(stripe)s::uuid END,
    CASE WHEN n %% 5000 = 3 THEN 'razorpay' WHEN n %% 4 = 0 THEN 'payme' ELSE 'stripe' END, '',
    CASE status WHEN 'paid' THEN 'captured' WHEN 'refunded' THEN 'captured' WHEN 'failed' THEN 'declined'
        WHEN 'processing' THEN 'processing' ELSE 'expired' END,
    amount_minor, currency, 'pi_' || substr(md5('f' || n || %(seed)s), 1, 24), '{{}}',
    'ch_' || substr(md5('c' || n || %(seed)s), 1, 24), '', '', status <> 'processing', '', '', '',
    CASE WHEN status IN ('paid', 'refunded') THEN amount_minor ELSE 0 END, paid_at, refunded_minor, false, false, '',
    NULL, '', NULL, 1, NULL, NULL, at, at
FROM (SELECT split_part(external_id, '-', 2)::bigint AS n, created_at AS at, status, amount_minor, currency, paid_at,
        refunded_minor FROM checkout_order WHERE provider_id = %(provider)s) AS rows
"""
REFUNDS = """
INSERT INTO checkout_refund (id, payment_id, amount_minor, currency, status, reason, idempotency_key, items,
    requested_by, approval_id, is_external, proof, processor_ref, failure_code, failure_message, asked, next_ask_at,
    created_at, settled_at)
SELECT gen_random_uuid(), paid_by_id, amount_minor, currency, 'succeeded', '', '', '[]', 'bench', NULL, false, '',
    're_' || substr(md5(id::text), 1, 24), '', '', 0, NULL, paid_at + interval '1 hour', paid_at + interval '1 hour'
FROM checkout_order WHERE provider_id = %(provider)s AND status = 'refunded'
"""
DELIVERIES = """
INSERT INTO webhooks_delivery (id, provider_id, order_id, event_id, event_kind, sequence, url, follows_provider, host,
    body, headers, ladder, is_livemode, state, is_holding, attempts, total_attempts, next_attempt_at, lease_until,
    lease_id, slow_since, last_status, last_error, created_at, replayed_at, delivered_at)
SELECT gen_random_uuid(), %(provider)s, id, gen_random_uuid(), 'payment_succeeded', 4, 'http://hooks.test/dztech', true,
    'hooks.test:80', '{"event":"payment_succeeded"}', '{}', 'provider', false,
    CASE WHEN right(external_id, 3) = '777' THEN 'stuck' ELSE 'delivered' END, false, 1, 1, NULL, NULL, NULL, NULL, 200,
    '', paid_at, NULL, paid_at
FROM checkout_order WHERE provider_id = %(provider)s AND status = 'paid'
"""


def fill(count: int) -> None:
    from django.contrib.auth.models import User
    from django.db import connection, transaction
    from django.utils import timezone

    from gateway.types import Mode
    from providers.models import Member, MerchantAccount, PortalAccount, Provider, Service

    now = timezone.now()
    service = Service.objects.create(title="Credits", slug="bench", price_minor=100)
    for slug, number in (("bench", count), ("beside", count // 10)):
        provider = Provider.objects.create(name=slug.title(), slug=slug, service=service, webhook_url="http://h.test/")
        accounts = {
            name: MerchantAccount.objects.create(provider=provider, processor=name, mode=Mode.TEST).pk
            for name in ("stripe", "payme", "razorpay")
        }
        given: dict[str, Any] = {"provider": provider.pk, "count": number, "seed": slug, **accounts}
        started = time.perf_counter()
        with transaction.atomic(), connection.cursor() as cursor:  # `paid_by` names a row of the second statement
            for statement in (ORDERS, PAYMENTS, REFUNDS, DELIVERIES):
                cursor.execute(statement, given)
        print(f"  {slug}: {number:,} orders with all that belongs to them in {time.perf_counter() - started:.0f} s")
        user = User.objects.create_user(f"{slug}@bench.test")
        PortalAccount.objects.create(user=user, created_at=now)
        Member.objects.create(provider=provider, user=user, role="owner", created_at=now)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def sign_in() -> Any:
    """A browser of the large seller's owner, who has an API key too."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.test import Client
    from django.utils import timezone

    from checkout.portal import access
    from gateway.types import Mode
    from providers import keys
    from providers.models import Provider

    user = User.objects.get(username="bench@bench.test")
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[access.EPOCH] = str(user.portal_account.session_epoch)
    session.save()
    _key, text = keys.issue_key(provider=Provider.objects.get(slug="bench"), mode=Mode.TEST, now=timezone.now())
    client = Client(headers={"x-api-key": text})
    client.cookies[settings.PORTAL_COOKIE_NAME] = session.session_key
    return client


def pages() -> list[tuple[str, str]]:
    """(what it is, its address)"""
    from datetime import timedelta

    from django.utils import timezone

    from checkout import paging
    from checkout.models import Order
    from webhooks.models import Delivery

    mine = Order.objects.filter(provider__slug="bench")
    count = mine.count()
    middle = mine.get(external_id=f"ORDER-{count // 2}")
    eldest = mine.order_by("created_at")[min(100, count - 1)]
    payment = middle.payments.get()
    month = (timezone.now() - timedelta(days=200)).date().isoformat()
    until = (timezone.now() - timedelta(days=170)).date().isoformat()
    delivery = Delivery.objects.filter(order_id=mine.filter(status="paid").latest("created_at").pk).get()
    listed = "/portal/payments/"
    return [
        ("first page", listed),
        ("a page in the middle", f"{listed}?after={paging.place_of(middle)}"),
        ("last page", f"{listed}?page=last"),
        ("state: refused", f"{listed}?status=failed"),
        ("state: refused, last page", f"{listed}?status=failed&page=last"),
        ("state: in progress (1 of 1,000)", f"{listed}?status=processing"),
        ("state: not started (none)", f"{listed}?status=created"),
        ("a month", f"{listed}?since={month}&until={until}"),
        ("one exact amount", f"{listed}?least=4123.45&most=4123.45"),
        ("amounts from 1,000", f"{listed}?least=1000"),
        ("currency: rare", f"{listed}?currency=JPY"),
        ("processor: most", f"{listed}?processor=stripe"),
        ("processor: 1 of 5,000", f"{listed}?processor=razorpay"),
        ("processor: none", f"{listed}?processor=uzum"),
        ("a business", f"{listed}?business=shop-4"),
        ("search: order id", f"{listed}?q={middle.pk}"),
        ("search: own number", f"{listed}?q={middle.external_id}"),
        ("search: processor's id", f"{listed}?q={payment.processor_ref}"),
        ("search: capture's id", f"{listed}?q={payment.capture_ref}"),
        ("search: e-mail", f"{listed}?q=Buyer123456@mail.test"),
        ("search: nothing", f"{listed}?q=no-such-thing"),
        ("one payment", f"{listed}{middle.pk}/"),
        ("overview, read anew", "/portal/"),
        ("overview, half a minute old at most", "/portal/?again=1"),
        ("webhooks", "/portal/deliveries/"),
        ("webhooks that did not arrive", "/portal/deliveries/?state=stuck"),
        ("webhooks, last page", "/portal/deliveries/?page=last"),
        ("one webhook", f"/portal/deliveries/{delivery.pk}/"),
        ("API: orders", "/api/orders"),
        ("API: orders, a page in the middle", f"/api/orders?cursor={paging.place_of(middle)}"),
        ("API: orders, the last hundred", f"/api/orders?limit=100&cursor={paging.place_of(eldest)}"),
    ]


def measure(client: Any, *, rounds: int, slow_ms: float) -> None:
    from django.core.cache import cache
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    print(f"{'page':38} {'median':>8} {'worst':>8} {'in the database':>16} {'queries':>8}")
    for name, address in pages():
        client.get(address)  # caches of files, templates and plans are warm; the numbers are what comes after
        times, told = [], []
        for _round in range(rounds):
            if "again" not in address:
                cache.clear()
            with CaptureQueriesContext(connection) as captured:
                started = time.perf_counter()
                answer = client.get(address)
                times.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == 200, (address, answer.status_code)
            told.append(sum(float(query["time"]) for query in captured.captured_queries) * 1000)
        middle = statistics.median(times)
        print(
            f"{name:38} {middle:5.1f} ms {max(times):5.1f} ms {statistics.median(told):13.1f} ms "
            f"{len(captured.captured_queries):8}",
            flush=True,
        )
        if middle > slow_ms:
            worst = max(captured.captured_queries, key=lambda query: float(query["time"]))
            explain(worst["sql"])


def explain(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}")
        for (line,) in cursor.fetchall():
            print(f"    {line[:170]}")


def stream(client: Any) -> None:
    started = time.perf_counter()
    answer = client.get("/portal/payments/?as=csv")
    size = sum(len(part) for part in answer.streaming_content)
    print(f"the file of 100,000 payments: {time.perf_counter() - started:.1f} s, {size / 1e6:.0f} MB, streamed")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--slow", type=float, default=50)
    options.add_argument("--database", help="its address; filled if it has no orders yet")
    given = options.parse_args()
    server = None
    if not given.database:
        from tests.servers import Postgres

        server = Postgres(durable=True)
    try:
        url = given.database or server.url("postgres")  # type: ignore[union-attr]
        run(url, given)
    finally:
        if server is not None:
            server.stop()


def run(url: str, given: argparse.Namespace) -> None:
    import base64

    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings", "ENV_FILE": "", "DEMO": "1", "DEBUG": "0", "DATABASE_URL": url,
        "SECRET_KEY": "benchmark-" * 8, "FIELD_ENCRYPTION_KEYS": "b:" + base64.b64encode(b"b" * 32).decode(),
        "BASE_URL": "http://127.0.0.1:8000", "CACHE_URL": "locmemcache://", "CELERY_BROKER_URL": "memory://",
    }  # fmt: skip
    os.environ.update(environment)
    import logging

    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    logging.disable(logging.INFO)
    from django.test.utils import setup_test_environment

    setup_test_environment()  # lets the client's host in
    call_command("migrate", verbosity=0)
    from checkout.models import Order

    if not Order.objects.exists():
        print(f"Filling {given.orders:,} orders …", flush=True)
        fill(given.orders)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('shared_buffers')")
        version, buffers = cursor.fetchone()
    print(f"{Order.objects.count():,} orders, PostgreSQL {version}, shared_buffers {buffers}")
    client = sign_in()
    measure(client, rounds=given.rounds, slow_ms=given.slow)
    stream(client)


if __name__ == "__main__":
    main()
