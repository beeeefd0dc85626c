import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from checkout import ratelimit
from checkout.models import Order
from providers.addresses import find_client_address, subnet_of
from providers.models import ApiKey
from tests.api.asking import refused, send
from tests.builders import make_key, make_provider

PATH = "/api/create-payment-intent"


@pytest.fixture(autouse=True)
def _limits_of_production(settings, time_machine):
    settings.RATE_LIMIT_SCALE = 1
    settings.ANONYMOUS_CALLS_PER_MINUTE = 5
    time_machine.move_to(datetime(2026, 11, 20, 10, 0, 10, tzinfo=UTC), tick=False)
    ratelimit._paused_until = 0.0


def test_calls_without_a_good_key_are_limited_by_address(client, db):
    answers = [send(client, PATH, {"apiKey": "nobody"}) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    refused(answers[-1], 429, "Too many requests")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 63


def test_a_good_key_is_not_held_up_by_who_guesses_keys_from_its_address(client, key):
    for _ in range(10):
        send(client, PATH, {"apiKey": "nobody"})

    assert send(client, PATH, {"apiKey": key}).status_code == 200


def test_other_addresses_are_not_held_up(client, db):
    for _ in range(10):
        send(client, PATH, {"apiKey": "nobody"})

    assert client.post(PATH, "{}", content_type="application/json", REMOTE_ADDR="203.0.113.9").status_code == 401


def test_the_buy_button_and_broken_bodies_count_as_calls_without_a_key(client, provider):
    bodies = [{"serviceId": provider.service.slug}, "{", {"serviceId": provider.service.slug}, "[]", {"serviceId": "x"}]
    assert [send(client, PATH, body).status_code for body in bodies] == [200, 400, 200, 400, 404]

    refused(send(client, PATH, {"serviceId": provider.service.slug}), 429, "Too many requests")
    refused(send(client, PATH, "{"), 429, "Too many requests")
    assert Order.objects.count() == 2


def test_each_key_has_a_limit_of_its_own(client, provider):
    small, large = make_key(provider), make_key(make_provider())
    ApiKey.objects.filter(provider=provider).update(calls_per_minute=3)

    answers = [client.get("/api/orders", headers={"x-api-key": small}) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "Retry-After" in answers[-1].headers
    assert client.get("/api/orders", headers={"x-api-key": large}).status_code == 200


def test_a_key_may_call_1200_times_a_minute_by_default(client, key):
    assert ApiKey.objects.get().calls_per_minute == 1200


def test_a_limited_call_leaves_no_memory_under_its_idempotency_key(client, provider):
    key = make_key(provider)
    ApiKey.objects.update(calls_per_minute=1)
    send(client, PATH, {"apiKey": key})
    assert send(client, PATH, {"apiKey": key}, headers={"Idempotency-Key": "k"}).status_code == 429

    ApiKey.objects.update(calls_per_minute=100)
    answer = send(client, PATH, {"apiKey": key}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers


def test_the_demo_allows_a_hundred_times_more(client, db, settings):
    settings.RATE_LIMIT_SCALE = 100
    assert [send(client, PATH, {}).status_code for _ in range(20)] == [401] * 20


# --- the window ----------------------------------------------------------------------------------------------------


def taken(subject, at, *, times=1, limit=60):
    """How many of so many calls were let through."""
    passed = 0
    for _ in range(times):
        try:
            ratelimit.count(subject, per_minute=limit, now=at)
            passed += 1
        except ratelimit.TooManyRequests:
            pass
    return passed


def test_nobody_gets_twice_the_limit_at_the_turn_of_a_minute():
    start = datetime(2026, 11, 20, 10, 0, 59, tzinfo=UTC)

    assert taken("a", start, times=100) == 60
    assert taken("a", start + timedelta(seconds=2), times=100) <= 2


def test_who_waits_as_long_as_told_gets_in():
    for second in (0, 10, 30, 59):
        start = datetime(2026, 11, 20, 10, 0, second, tzinfo=UTC)
        subject = f"waits {second}"
        taken(subject, start, times=60)
        with pytest.raises(ratelimit.TooManyRequests) as refusal:
            ratelimit.count(subject, per_minute=60, now=start)
        assert taken(subject, start + timedelta(seconds=refusal.value.retry_after_seconds)) == 1


def test_who_never_stops_calling_still_gets_its_share():
    start = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
    passed = sum(taken("hammer", start + timedelta(seconds=second), times=5) for second in range(300))

    assert 290 <= passed <= 60 * 5 + 60


def test_in_the_middle_of_a_minute_half_of_the_last_one_still_counts():
    start = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
    taken("b", start, times=60)

    assert taken("b", start + timedelta(seconds=60), times=60) == 30


def test_waiting_times_are_whole_seconds_and_never_zero():
    for current, previous, elapsed in [(60, 0, 0.0), (60, 60, 59.9), (1, 60, 0.0), (30, 60, 29.99), (60, 1, 0.1)]:
        wait = ratelimit._wait(60, current, previous, elapsed)
        assert wait == math.ceil(wait) >= 1, (current, previous, elapsed)


def test_threads_share_one_counter():
    now = timezone.now()
    barrier = threading.Barrier(8)

    def run(_):
        barrier.wait(5)
        return taken("shared", now, times=20)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(run, range(8))) == 60


def test_processes_share_the_counters_through_redis(broker, client, db):
    from django.core.cache import cache

    assert [send(client, PATH, {}).status_code for _ in range(6)] == [401] * 5 + [429]
    assert cache.get(f"rate/address/127.0.0.1/{int(timezone.now().timestamp() // 60)}") == 5


def test_a_dead_cache_stops_no_payment(client, key, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }

    assert [send(client, PATH, {"apiKey": key}).status_code for _ in range(3)] == [200] * 3
    assert [send(client, PATH, {}).status_code for _ in range(8)] == [401] * 8


# --- whose call it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "trusted", "client_address"),
    [
        ("198.51.100.7", "", [], "198.51.100.7"),
        ("198.51.100.7", "1.2.3.4", [], "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4", ["10.0.0.0/8"], "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9, 1.2.3.4", ["10.0.0.0/8"], "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.2", ["10.0.0.0/8"], "1.2.3.4"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", ["10.0.0.0/8"], "10.0.0.3"),
        ("10.0.0.1", "1.2.3.4, junk", ["10.0.0.1"], "10.0.0.1"),
        ("10.0.0.1", "", ["10.0.0.1"], "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4:5555", ["10.0.0.1"], "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1]:443", ["10.0.0.1"], "2001:db8::1"),
        ("::1", "2001:db8::1", ["::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", "1.2.3.4", ["10.0.0.1"], "1.2.3.4"),
        ("", "1.2.3.4", ["10.0.0.1"], ""),
    ],
)
def test_the_client_is_the_right_most_hop_outside_trusted_proxies(peer, forwarded_for, trusted, client_address):
    assert find_client_address(peer=peer, forwarded_for=forwarded_for, trusted=trusted) == client_address


def test_an_ipv6_customer_is_one_party_whatever_address_of_its_network_it_uses():
    assert subnet_of("2001:db8:1:2:aaaa::1") == subnet_of("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert subnet_of("192.0.2.1") == "192.0.2.1"


def test_forged_hops_do_not_give_a_caller_new_addresses(client, db):
    answers = [send(client, PATH, {}, headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(6)]
    assert answers[-1].status_code == 429


def test_behind_a_trusted_proxy_each_client_has_its_own_limit(client, db, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    one = [send(client, PATH, {}, headers={"X-Forwarded-For": "192.0.2.1"}).status_code for _ in range(6)]

    assert one[-1] == 429
    assert send(client, PATH, {}, headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 401


def test_a_request_factory_without_an_address_is_counted_together(rf=RequestFactory()):
    request = rf.post(PATH)
    request.META.pop("REMOTE_ADDR")
    for _ in range(5):
        ratelimit.count_anonymous(request, now=timezone.now())
    with pytest.raises(ratelimit.TooManyRequests):
        ratelimit.count_anonymous(request, now=timezone.now())
