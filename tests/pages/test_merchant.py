"""`/pay/<code>`: the hosted checkout of a small merchant, and where it may lead afterwards."""

import base64
import re
from html import unescape
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.utils import timezone

from checkout import orders
from checkout.models import Order, Payment
from checkout.pages import way_back
from gateway.types import Mode
from providers import accounts, origins
from tests.api.merchant_secret.asking import start
from tests.api.merchant_secret.selling import SHOP, make_merchant, make_secret, order_of
from tests.gateway.secure_processor_book import CREDENTIALS as SHOP_OF_CARDS
from tests.pages.invoices import payme_takes, press_pay
from tests.pages.reading import read

pytestmark = pytest.mark.django_db
DONE = f"{SHOP}/done?order=7&lang=uz#paid"
REFUSED = "wants to send you on to an address that Choyxona has not allowed"


@pytest.fixture
def order(client):
    """1 000 sums at a merchant with Payme and cards whose shop is on the list."""
    return order_of(start(client, make_secret(make_merchant()), 100_000))


@pytest.fixture
def see(client):
    def get(order, redirect=None, *, path=None, **headers):
        query = "" if redirect is None else f"?redirect={quote(redirect, safe='')}"
        return read(client.get((path or f"/pay/{order.code}") + query, headers=headers))

    return get


def leads_to(answer):
    """Every address outside our own house that the page could lead the buyer to."""
    html = unescape(answer.content.decode())
    found = re.findall(r'(?:href|action|src)="([^"]*)"', html) + re.findall(r"url=([^\"]*)\"", html)
    return {address for address in found if not re.match(r"(/[^/\\]|\?|mailto:|/$)", address)}


# --- the page -------------------------------------------------------------------------------------------------------


def test_it_is_the_hosted_checkout_of_the_order_with_the_merchants_processors(order, see):
    page = see(order)
    assert page.status_code == 200
    assert "Choyxona" in page.text and "UZS 1,000.00" in page.text
    html = page.content.decode()
    assert set(re.findall(r'name="processor" value="(\w+)"', html)) == {"multicard", "payme"}
    assert f'action="/checkout/o/{order.token}/pay"' in html
    assert page.headers["Cache-Control"] == "no-store" and page.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page.headers["X-Robots-Tag"]
    assert order.watch_code not in html


def test_two_ways_of_one_name_say_whose_each_is(see, client):
    seller = make_merchant()
    accounts.save_credentials(
        provider=seller, processor="secure_processor", mode=Mode.TEST, credentials=SHOP_OF_CARDS, now=timezone.now()
    )
    html = see(order_of(start(client, make_secret(seller), 100_000))).content.decode()
    assert sorted(re.findall(r"<span>([^<]+)<small>([^<]+)</small></span>", html)) == [
        ("Bank card", "Uzcard, Humo, Visa · Multicard"),
        ("Bank card", "Visa, Mastercard · Secure Processor"),
        ("Payme", "In the app or by card"),
    ]


def test_both_spellings_and_head_are_served_and_nothing_is_posted_there(order, client):
    assert client.get(f"/pay/{order.code}/").status_code == client.head(f"/pay/{order.code}").status_code == 200
    assert client.post(f"/pay/{order.code}").status_code == 405


@pytest.mark.parametrize("code", ["x", "pc_" + "0" * 32, "pc_%00", "pt_" + "0" * 32, "pc_" + "é" * 32])
def test_an_unknown_code_is_a_page_of_ours(code, client):
    answer = read(client.get(f"/pay/{code}?redirect=https://evil.test"))
    assert answer.status_code == 404 and "There is no such order" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert leads_to(answer) <= {"/"}


def test_other_names_of_the_order_and_codes_of_other_dialects_open_nothing(order, client):
    for name in (order.token, order.watch_code, order.receipt_code, str(order.pk), order.code.upper()):
        assert client.get(f"/pay/{name}").status_code == 404
    Order.objects.update(dialect="payment_token")
    assert client.get(f"/pay/{order.code}").status_code == 404


def test_it_speaks_the_readers_language_and_the_choice_keeps_the_redirect(order, see, client):
    page = see(order, DONE, **{"Accept-Language": "ru"})
    assert page.headers["Content-Language"] == "ru"
    links = re.findall(r'href="(\?[^"]*lang=uz)"', unescape(page.content.decode()))
    assert parse_qs(links[0][1:])["redirect"] == [DONE]
    assert client.get(f"/pay/{order.code}{links[0]}").headers["Content-Language"] == "uz"


# --- after payment --------------------------------------------------------------------------------------------------


def test_only_once_it_is_paid_the_buyer_goes_to_the_allowed_address(order, see, client):
    assert leads_to(see(order, DONE)) == set()
    orders_before = Order.objects.values().get()
    press_pay(order, "payme")
    waiting = see(order, DONE)
    assert DONE not in leads_to(waiting)

    payme_takes(client, order)
    page = see(order, DONE)
    assert leads_to(page) == {DONE}
    assert 'data-countdown="5"' in page.content.decode()
    assert REFUSED not in page.text
    # Nothing of it was written down: without the parameter nobody is led anywhere.
    assert orders_before["success_url"] == Order.objects.values().get()["success_url"] == ""
    assert leads_to(see(order)) == set()


def test_a_cancelled_order_leads_nowhere_but_to_the_merchants_own_page(order, see):
    orders.cancel_order(order_id=order.pk, cause="the buyer", now=timezone.now())
    assert leads_to(see(order, DONE)) == set()
    order.provider.cancel_redirect_url = f"{SHOP}/cancelled"
    order.provider.save()
    assert leads_to(see(order, DONE)) == {f"{SHOP}/cancelled"}
    assert leads_to(see(order, "https://evil.test")) == set()


def test_without_a_redirect_the_merchants_configured_page_is_used(order, see, client):
    order.provider.success_redirect_url = "https://configured.test/paid?o={orderId}"
    order.provider.save()
    payme_takes(client, order)
    assert leads_to(see(order)) == {f"https://configured.test/paid?o={order.pk}"}
    assert leads_to(see(order, "")) == {f"https://configured.test/paid?o={order.pk}"}
    # Its origin is allowed by default.
    assert leads_to(see(order, "https://configured.test/elsewhere")) == {"https://configured.test/elsewhere"}


def test_a_refused_address_is_said_plainly_before_and_after_and_no_link_is_offered(order, see, client):
    order.provider.success_redirect_url = "https://configured.test/paid"
    order.provider.save()
    for is_paid in (False, True):
        if is_paid:
            payme_takes(client, order)
        page = see(order, "https://evil.test/win")
        assert REFUSED in page.text
        assert leads_to(page) == set()
        sheet = page.content.split(b'<footer class="foot">')[0]  # below it, the links of the languages keep the query
        assert b"evil" not in sheet
    assert "Paid. Thank you!" in page.text and "UZS 1,000.00" in page.text
    assert "You can close this page. Its link keeps working." in page.text
    assert "data-countdown" not in page.content.decode()


def test_the_list_counts_at_each_look_not_when_the_page_was_opened(order, see, client):
    payme_takes(client, order)
    assert leads_to(see(order, DONE)) == {DONE}
    order.provider.allowed_origins = ""
    order.provider.save()
    page = see(order, DONE)
    assert leads_to(page) == set() and REFUSED in page.text


def test_the_parameter_does_nothing_on_orders_of_other_dialects(order, see, client):
    Order.objects.update(dialect="provider")
    payme_takes(client, order)
    page = see(order, DONE, path=f"/checkout/o/{order.token}")
    assert leads_to(page) == set() and REFUSED not in page.text


# --- through the processor and back ---------------------------------------------------------------------------------


def test_the_redirect_goes_through_the_processor_and_back_without_a_cookie(order, client):
    page = client.get(f"/pay/{order.code}", {"redirect": DONE})
    form = unescape(re.search(r'action="(/checkout/o/[^"]*/pay[^"]*)"', page.content.decode())[1])
    led = client.post(form, {"processor": "payme"})
    assert led.status_code == 303
    back = return_address(led.headers["Location"])
    payme_takes(client, order)

    client.cookies.clear()
    returned = client.get(back)
    assert returned.status_code == 303
    shown = read(client.get(returned.headers["Location"]))
    assert leads_to(shown) == {DONE}
    assert "Paid. Thank you!" in shown.text


def return_address(payme_url):
    """Where Payme's link sends the browser back, without our host."""
    packed = urlsplit(payme_url).path.rpartition("/")[2]
    fields = dict(part.split("=", 1) for part in base64.b64decode(packed + "==").decode().split(";"))
    parts = urlsplit(unescape(fields["c"]))
    return f"{parts.path}?{parts.query}"


def test_who_pressed_pay_first_does_not_choose_where_another_visitor_goes(order, client):
    stranger = type(client)()
    theirs = f"{SHOP}/theirs"
    stranger.get(f"/pay/{order.code}", {"redirect": theirs})
    led = stranger.post(f"/checkout/o/{order.token}/pay?redirect={quote(theirs)}", {"processor": "payme"})
    client.get(f"/pay/{order.code}", {"redirect": DONE})
    again = client.post(f"/checkout/o/{order.token}/pay?redirect={quote(DONE)}", {"processor": "payme"})
    assert again.headers["Location"] == led.headers["Location"] and Payment.objects.count() == 1
    payme_takes(client, order)

    back = return_address(led.headers["Location"])
    for visitor, wanted in ((client, DONE), (stranger, theirs)):
        returned = visitor.get(back)
        assert leads_to(visitor.get(returned.headers["Location"])) == {wanted}


def test_a_refused_address_reaches_no_processor_and_is_still_refused_afterwards(order, client):
    evil = "https://evil.test/win"
    page = client.get(f"/pay/{order.code}", {"redirect": evil})
    form = unescape(re.search(r'action="(/checkout/o/[^"]*/pay[^"]*)"', page.content.decode())[1])
    assert form == f"/checkout/o/{order.token}/pay?redirect=-"
    led = client.post(form, {"processor": "payme"})
    back = return_address(led.headers["Location"])
    assert "evil" not in back
    payme_takes(client, order)
    client.cookies.clear()
    shown = read(client.get(client.get(back).headers["Location"]))
    assert REFUSED in shown.text and leads_to(shown) == set()


def test_a_forged_return_leads_only_where_the_merchant_allows(order, client):
    payme_takes(client, order)
    for cookie in (None, "https%3A%2F%2Fevil.test"):
        if cookie:
            client.cookies[f"back_{order.token[-8:]}"] = cookie
        returned = client.get(f"/checkout/o/{order.token}/return", {"redirect": "https://evil.test"})
        assert returned.headers["Location"] == f"/checkout/o/{order.token}?returned=1&redirect=-"
        assert leads_to(client.get(returned.headers["Location"])) == set()


def test_an_address_too_long_for_a_processors_link_is_remembered_by_the_browser(order, client):
    long = f"{SHOP}/done?basket=" + "7" * 700
    client.get(f"/pay/{order.code}", {"redirect": long})
    led = client.post(f"/checkout/o/{order.token}/pay?redirect={quote(long)}", {"processor": "payme"})
    back = return_address(led.headers["Location"])
    assert "redirect" not in back
    payme_takes(client, order)
    assert leads_to(client.get(client.get(back).headers["Location"])) == {long}


# --- no open redirect -----------------------------------------------------------------------------------------------

ALLOWED = [
    SHOP,
    f"{SHOP}/",
    f"{SHOP}?a=1",
    f"{SHOP}#done",
    "HTTPS://SHOP.TEST/done",
    f"{SHOP}:443/done",
    f"{SHOP}./done",
    f"{SHOP}/path//evil.test",
    f"{SHOP}/?next=https://evil.test",
    f"{SHOP}/@evil.test",
    f"{SHOP}/%0d%0aLocation:%20https://evil.test",
    f"{SHOP}/%5cevil.test",
    f"{SHOP}/../..//evil.test",
    f"{SHOP}/oʻzbekcha/тест",
]
EVIL = [
    # other schemes
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://shop.test/%0aalert(1)",
    "data:text/html,<script>1</script>",
    "data:text/html;base64,PHNjcmlwdD4=", "vbscript:x", "blob:https://shop.test/1", "file:///etc/passwd",
    "view-source:https://shop.test", "intent://shop.test#Intent;scheme=https;end", "ftp://shop.test", "about:blank",
    "http://shop.test/done",  # not the origin that is listed
    # no scheme, or a broken one
    "//evil.test", "///evil.test", "////evil.test", "/\\evil.test", "\\\\evil.test", "\\/evil.test", "evil.test",
    "/checkout", "?x", "#x", "shop.test", "//shop.test", "https:evil.test", "https:/evil.test", "https:///evil.test",
    "https:////shop.test@evil.test", "https:shop.test", "https:\\\\shop.test", "http:evil.test", ":https://shop.test",
    # userinfo
    f"{SHOP}@evil.test", f"{SHOP}:443@evil.test", f"{SHOP}%40evil.test", "https://evil.test@shop.test",
    "https://shop.test:x@evil.test", "https://@evil.test", "https://:@shop.test", f"{SHOP}%2f@evil.test",
    f"{SHOP}?@evil.test\\", f"{SHOP}\\@evil.test",
    # backslashes that browsers read as slashes
    f"{SHOP}\\.evil.test", "https://evil.test\\shop.test", "https:\\\\evil.test", "https://evil.test\\@shop.test",
    f"{SHOP}/\\evil.test",
    # look-alikes and subdomains
    f"{SHOP}.evil.test", "https://evilshop.test", "https://shop.testing", "https://shop.tes", "https://xshop.test",
    "https://sub.shop.test", "https://evil.test/shop.test", "https://evil.test?https://shop.test",
    "https://evil.test#https://shop.test", "https://shop-test", "https://shop.test-evil.test", "https://shop.test,evil.test",
    "https://shop.test;evil.test", "https://shop.test&evil.test", "https://shop.test'evil.test", "https://shop.test\"evil.test",
    "https://shop.test<evil.test", "https://shop.test!evil.test", "https://[shop.test]", "https://shop.test|evil.test",
    "https://shop.test^evil.test", "https://shop.test`evil.test", "https://shop.test~evil.test", "https://shop..test",
    # ports
    f"{SHOP}:8443", f"{SHOP}:80", f"{SHOP}:0", f"{SHOP}:99999", f"{SHOP}:-1", f"{SHOP}:443x", f"{SHOP}:٤٤٣",
    f"{SHOP}:443:443", f"{SHOP}:%34%34%33",
    # percent-encoded and unicode hosts
    "https://shop%2etest", "https://shop.test%2eevil.test", "https://shop.test%00.evil.test", "https://shop.test%23.evil.test",
    "https://shop.test%5cevil.test", "https://%73hop.test", "https%3A%2F%2Fshop.test", "https://shоp.test",
    "https://ｓｈｏｐ.test", "https://shop。test", "https://shop．test", "https://shop.test／evil.test",
    "https://evil.test／shop.test", "https://shop.test＠evil.test", "https://shop.test℀.evil.test", "https://ſhop.test",
    "https://shop.test\u2024evil.test", "https://xn--shp-fmc.test", "https://sh\u00adop.test", "https://shop.te\u0073\u0307t",
    # controls and blanks, which browsers drop
    "\thttps://evil.test", " https://evil.test", "https://evil.test ", f"{SHOP}\t.evil.test", "https://shop.test\n.evil.test",
    "ht\ntps://evil.test", "java\tscript:alert(1)", "java\0script:alert(1)", f"{SHOP}\r\nLocation: https://evil.test",
    f"{SHOP}\x0b.evil.test", f"{SHOP}\u2028.evil.test", f"{SHOP}\u200b.evil.test", f"{SHOP}\ufeff", "\ufeffhttps://shop.test",
    "\u202ehttps://shop.test", f"{SHOP}\x7f", "https://shop.test\x00@evil.test", "\x01javascript:alert(1)",
    # addresses
    "https://127.0.0.1", "https://[::1]", "https://2130706433", "https://0x7f000001", "https://169.254.169.254/latest",
    "https://[::ffff:127.0.0.1]", "https://shop.test.127.0.0.1.nip.io",
    # placeholders and length
    "https://{orderId}.shop.test", "https://{host}/", f"{SHOP}/{{secret}}", f"{SHOP}/{{", f"{SHOP}/" + "a" * 5000,
    "-", "null", "undefined", "0", "https://", "https://.", "https://shop.test..", "https://*", "https://*.test",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ALLOWED)))
def test_an_address_of_an_allowed_origin_is_led_to(number, order, see, client):
    payme_takes(client, order)
    page = see(order, ALLOWED[number])
    (found,) = leads_to(page)
    assert found.isascii() and not set(found) & set(" \\\"'<>\t\r\n")
    assert found.lower().startswith((f"{SHOP}/", f"{SHOP}:443/", f"{SHOP}./", f"{SHOP}?", f"{SHOP}#")) or found == SHOP


@pytest.mark.parametrize("number", range(len(EVIL)))
def test_no_trick_leaves_an_allowed_origin(number, order, see, client):
    payme_takes(client, order)
    page = see(order, EVIL[number])
    assert page.status_code == 200
    assert leads_to(page) == set(), EVIL[number]
    assert REFUSED in page.text
    back = client.get(f"/checkout/o/{order.token}/return", {"redirect": EVIL[number]})
    assert back.headers["Location"] == f"/checkout/o/{order.token}?returned=1&redirect=-"
    assert set(back.cookies) == set()


def test_two_redirects_at_once_are_judged_by_the_one_that_is_used(order, client):
    payme_takes(client, order)
    for query in (f"redirect={SHOP}&redirect=https://evil.test", f"redirect=https://evil.test&redirect={SHOP}"):
        assert leads_to(client.get(f"/pay/{order.code}?{query}")) <= {SHOP}
    assert leads_to(client.get(f"/pay/{order.code}?Redirect=https://evil.test&redirect[]=https://evil.test")) == set()


def test_outside_the_demo_plain_http_is_refused_even_where_it_is_listed(order, see, client, settings):
    order.provider.allowed_origins = "http://shop.test"
    order.provider.save()
    payme_takes(client, order)
    assert leads_to(see(order, "http://shop.test/done")) == {"http://shop.test/done"}
    settings.DEMO = False
    page = read(client.get(f"/pay/{order.code}", {"redirect": "http://shop.test/done"}, secure=True))
    assert REFUSED in page.text and leads_to(page) == set()


def test_an_order_without_a_provider_leads_nowhere():
    assert not origins.may_lead_to(None, SHOP, allow_http=True)
    assert way_back.Wish().parameter == ""
