from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import redirects

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "url",
    [
        "https://bitloader.com/success?orderId={orderId}",
        "https://bitloader.com/orders/{orderId}/done",
        "https://bitloader.com/{externalId}?o={orderId}#thanks",
        "https://xn--bcher-kva.example:8443/{orderId}",
        "https://[2001:db8::1]/{orderId}",
        "https://bitloader.com/{orderId}/é",
    ],
)
def test_an_address_with_its_placeholder_in_path_or_query_is_fine(url):
    assert redirects.check(url, allow_http=False) == redirects.Checked()


def test_an_address_without_the_order_id_is_saved_with_a_warning():
    checked = redirects.check("https://bitloader.com/cancelled", allow_http=False)
    assert checked.errors == ()
    assert len(checked.warnings) == 1
    assert "{orderId}" in checked.warnings[0]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "Enter an address"),
        ("javascript:alert(1)", "https://"),
        ("data:text/html,x", "https://"),
        ("//bitloader.com/{orderId}", "https://"),
        ("bitloader.com/{orderId}", "https://"),
        ("ftp://bitloader.com/", "https://"),
        ("http://bitloader.com/{orderId}", "for the demo only"),
        ("https:///path", "no host"),
        ("https://", "no host"),
        ("https://bitloader.com@evil.test/", "user name"),
        ("https://user:pw@bitloader.com/", "user name"),
        ("https://bitloader.com\\@evil.test/", "backslash"),
        ("https://bitloader.com/a b", "space"),
        ("https://bitloader.com/\r\nSet-Cookie: x", "invisible"),
        ("https://bitloader.com/\u202egnp", "invisible"),
        ("https://bitloader.com:99999/", "not an address"),
        ("https://bitloader.com:0/", "port"),
        ("https://-bad-.com/", "not a valid name"),
        ("https://bücher.example/", "not a valid name"),
        ("https://[::1/", "not an address"),
        ("https://{orderId}.evil.test/", "not in the host"),
        ("https://bitloader.com:{orderId}/", "not an address"),
        ("https://{externalId}/", "not in the host"),
        ("https://bitloader.com/#{orderId}", "not after #"),
        ("https://bitloader.com/{order}", "{order} is not known"),
        ("https://bitloader.com/{ORDERID}", "{ORDERID} is not known"),
        ("https://bitloader.com/{}", "{} is not known"),
        ("https://bitloader.com/{{orderId}}", "brace"),
        ("https://bitloader.com/{orderId", "brace"),
        ("https://bitloader.com/orderId}", "brace"),
        ("https://bitloader.com/" + "a" * 1000, "longer"),
    ],
)
def test_an_address_that_could_lead_a_buyer_elsewhere_is_refused_with_the_reason(url, says):
    checked = redirects.check(url, allow_http=False)
    assert says in " ".join(checked.errors)


def test_plain_http_is_good_enough_for_the_demo():
    assert redirects.check("http://127.0.0.1:9000/{orderId}", allow_http=True).is_fine


def test_placeholders_are_filled_and_encoded():
    filled = redirects.fill(
        "https://shop.test/{orderId}/x?e={externalId}&o={orderId}", order_id="65b", external_id="a b/ü&x=1#y"
    )
    assert filled == "https://shop.test/65b/x?e=a%20b%2F%C3%BC%26x%3D1%23y&o=65b"


@given(external_id=st.text(max_size=128))
def test_whatever_an_external_id_holds_it_stays_one_value_of_the_query(external_id):
    encodable = external_id.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    filled = redirects.fill("https://shop.test/back?e={externalId}&o=1", order_id="1", external_id=encodable)
    parts = urlsplit(filled)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "shop.test", "/back", "")
    expected = "" if encodable in (".", "..") else encodable
    assert parse_qs(parts.query, keep_blank_values=True) == {"e": [expected], "o": ["1"]}
    assert filled.isascii()


@given(external_id=st.text(max_size=40))
def test_whatever_an_external_id_holds_it_stays_one_step_of_the_path(external_id):
    encodable = external_id.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    filled = redirects.fill("https://shop.test/orders/{externalId}/done", order_id="1", external_id=encodable)
    steps = urlsplit(filled).path.split("/")
    assert (len(steps), steps[1], steps[3]) == (4, "orders", "done")
    assert steps[2].lower().replace("%2e", ".") not in (".", "..")


@given(url=st.text(max_size=60))
def test_checking_never_breaks_whatever_is_typed(url):
    redirects.check(url, allow_http=True)
