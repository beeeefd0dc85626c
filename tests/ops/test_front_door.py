"""What is true of every address: request ids, limits on bodies, HTTPS, headers, and the pages of last resort."""

import json
from io import BytesIO

import pytest
from django.test import RequestFactory
from django.test.client import ClientHandler

from checkout.models import Order
from config.middleware import WholeBody
from tests.builders import make_key, make_provider, make_service

CREATE = "/api/create-payment-intent"


@pytest.fixture
def production(settings):
    """The same code as outside the demo, behind a proxy that we trust."""
    settings.DEMO = False
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]


@pytest.mark.parametrize("given", ["shop-42.order_7", "0" * 64])
def test_a_sane_request_id_of_the_caller_is_kept(client, given, db):
    assert client.get("/health", headers={"x-request-id": given})["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "0" * 65, "with space in it", "<script>alert(1)</script>", "a\tb\tc\td\te"]
)
def test_any_other_request_id_is_replaced(client, given, db):
    made = client.get("/health", headers={"x-request-id": given})["X-Request-Id"]
    assert made != given
    assert len(made) == 32


@pytest.mark.parametrize("path", ["/health", "/nothing", "/api/nothing", "/static/nothing.css", "/admin/"])
def test_every_answer_has_a_request_id_and_the_headers_that_keep_browsers_safe(client, path, db):
    answer = client.get(path)
    assert answer["X-Request-Id"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert "camera=()" in answer["Permissions-Policy"]


def test_an_unknown_address_of_the_api_answers_json_and_any_other_a_page(client, db):
    api, page = client.get("/api/nothing"), client.get("/nothing")
    assert (api.status_code, api.json()) == (404, {"error": "Not found"})
    assert page.status_code == 404
    assert page["Content-Type"].startswith("text/html")
    assert page["X-Request-Id"] in page.content.decode()


@pytest.mark.parametrize("path", [CREATE, CREATE + "/", "/api/nothing"])
def test_a_body_over_64_kib_is_refused_with_413(client, path, db):
    answer = client.post(path, b"x" * (64 * 1024 + 1), content_type="application/json")
    assert answer.status_code == 413
    assert answer.json() == {"error": "The body is larger than 64 KiB"}


def test_a_callback_may_be_larger(client, db):
    answer = client.post("/api/webhooks/stripe", b"x" * (512 * 1024), content_type="application/json")
    assert answer.status_code != 413


def in_chunks(path, body, **more):
    """The status and the JSON of a POST as granian hands it on: its length is not known, and it ends by itself."""
    environ = RequestFactory().post(path, body, content_type="application/json", headers={"host": "testserver"}).environ
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO(body), "wsgi.input_terminated": True, **more}
    answer = WholeBody(lambda environ, _start_response: ClientHandler()(environ))(environ, None)
    return answer.status_code, json.loads(answer.content)


def test_a_body_in_chunks_is_read_whole_and_within_the_same_limits(db):
    key = make_key(make_provider(service=make_service()))
    body = json.dumps({"apiKey": key, "externalId": "in pieces"}).encode()
    assert in_chunks(CREATE, body)[0] == 200
    assert Order.objects.get().external_id == "in pieces"
    assert in_chunks(CREATE, b"") == (401, {"error": "Invalid or inactive API key"})
    assert in_chunks(CREATE, b"x" * (64 * 1024 + 1))[0] == 413
    told = in_chunks("/api/callbacks/payme", b"{")
    assert (told[0], told[1]["error"]["code"]) == (200, -32700)
    assert in_chunks("/api/callbacks/payme", b"x" * (512 * 1024 + 1))[0] == 200
    assert Order.objects.count() == 1


def test_a_body_in_chunks_is_refused_where_the_server_does_not_say_that_it_ends(db):
    for said in ({"wsgi.input_terminated": False}, {"wsgi.input_terminated": None}):
        assert in_chunks(CREATE, b"{}", **said) == (411, {"error": "Send a Content-Length"})
    assert Order.objects.count() == 0


@pytest.mark.parametrize(
    "query",
    ["apiKey=x", "api_key=x", "x-api-key=x", "merchant_secret=x", "anything=provider_test_" + "0" * 48],
)
@pytest.mark.parametrize("path", [CREATE, "/api/orders", "/api/nothing"])
def test_a_key_in_the_address_is_refused(client, path, query, db):
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 400
    assert "not accepted in the address" in answer.json()["error"]


def test_an_order_is_looked_up_by_external_id_as_before(client, db):
    assert client.get("/api/orders?externalId=ORDER-1").status_code == 401


# --- Plain HTTP ----------------------------------------------------------------------------------------------------
def test_outside_the_demo_the_api_refuses_plain_http(client, production, db):
    answer = client.post(CREATE, {}, content_type="application/json")
    assert answer.status_code == 403
    assert "https://" in answer.json()["error"]


def test_outside_the_demo_a_page_leads_to_https(client, production, db):
    answer = client.get("/services/anything?x=1")
    assert answer.status_code == 301
    assert answer["Location"] == "https://testserver/services/anything?x=1"


def test_a_trusted_proxy_says_that_the_client_came_by_https(client, production, db):
    answer = client.post(
        CREATE, {}, content_type="application/json", headers={"x-forwarded-proto": "https"}, REMOTE_ADDR="10.1.2.3"
    )
    assert answer.status_code == 401


def test_nobody_else_can_say_so(client, production, db):
    answer = client.post(
        CREATE, {}, content_type="application/json", headers={"x-forwarded-proto": "https"}, REMOTE_ADDR="192.0.2.1"
    )
    assert answer.status_code == 403


def test_health_may_be_asked_without_https(client, production, broker, db):
    assert client.get("/health").status_code == 200


# --- When a view breaks ----------------------------------------------------------------------------------------------
@pytest.fixture
def broken(settings, tmp_path, monkeypatch):
    """An address space with a view that fails, and with a secret in what it fails over."""
    import sys
    import types

    from django.urls import path

    def fail(request):
        raise RuntimeError("sk_live_" + "a1" * 12)

    module = types.ModuleType("broken_urls")
    module.urlpatterns = [path("api/broken", fail), path("broken", fail)]
    for name in ("handler400", "handler403", "handler404", "handler500"):
        setattr(
            module,
            name,
            "config.errors."
            + {"400": "bad_request", "403": "permission_denied", "404": "not_found", "500": "server_error"}[name[-3:]],
        )
    monkeypatch.setitem(sys.modules, "broken_urls", module)
    settings.ROOT_URLCONF = "broken_urls"


def test_a_fault_of_ours_is_a_plain_500_in_the_form_of_the_address(client, broken, capfd):
    client.raise_request_exception = False
    api, page = client.get("/api/broken"), client.get("/broken")
    assert (api.status_code, api.json()) == (500, {"error": "Server error"})
    assert page.status_code == 500
    assert "<h1" in page.content.decode()
    assert "sk_live" not in api.content.decode() + page.content.decode()
