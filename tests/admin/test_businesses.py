"""Businesses: found, looked at, given credentials, switched off and blocked."""

import pytest

from checkout.errors import CheckoutError
from providers.models import Approval, AuditEntry, MerchantAccount, Provider
from tests.admin import selling
from tests.api.invoice.asking import PAYME

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/businesses/"
ADD = "/admin/providers/merchantaccount/add/"


@pytest.fixture
def marketplace(db):
    return selling.make_marketplace(slug="bozor")


def one(person, provider, business=selling.BUSINESS):
    return person.get(f"{LIST}one/", source=provider.slug, id=business)


def read(answer):
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_the_list_names_each_business_with_its_accounts_and_their_states(support, marketplace):
    assert "None yet" in read(support.get(LIST))
    selling.register(marketplace)
    selling.register(marketplace, processor="click", name="Restoran A (Click)", serviceId="1", merchantId="2",
                     secretKey="s3cret-of-click")  # fmt: skip
    selling.register(marketplace, business="biz_43", name="")
    MerchantAccount.objects.filter(processor="click").update(is_active=False)
    page = read(support.get(LIST))
    for shown in ("Restoran A", "biz_42", "biz_43", "bozor", "Payme", "Click", "active", "inactive", "Test"):
        assert shown in page, shown
    assert page.count("/admin/businesses/one/?") == 2
    assert "s3cret-of-click" not in page


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"text": "biz_4"}, {"biz_42", "biz_43"}),
        ({"text": "choyxona"}, {"biz_43"}),
        ({"text": "bozor"}, {"biz_42", "biz_43"}),
        ({"text": "%"}, set()),
        ({"processor": "click"}, set()),
        ({"mode": "test", "state": "blocked"}, {"biz_43"}),
        ({"state": "retired"}, set()),
        ({"state": "nonsense", "page": "99"}, {"biz_42", "biz_43"}),
    ],
)
def test_the_list_is_narrowed(support, marketplace, narrow, found):
    selling.register(marketplace)
    selling.register(marketplace, business="biz_43", name="Choyxona")
    support.client.logout()
    from tests.admin.people import make_staff, sign_in

    root = sign_in(make_staff("root", "admin"))
    root.post(f"{LIST}block/?source=bozor&id=biz_43")
    page = read(root.get(LIST, **narrow))
    assert {business for business in ("biz_42", "biz_43") if f"id={business}" in page} == found


def test_the_list_asks_the_same_number_of_questions_for_forty_businesses_as_for_two(
    support, marketplace, django_assert_max_num_queries
):
    for number in range(40):
        selling.register(marketplace, business=f"biz_{number}", merchantId=f"{number:024x}", key=PAYME["key"])
    with django_assert_max_num_queries(10):
        page = read(support.get(LIST))
    assert page.count("/admin/businesses/one/?") == 40


def test_a_business_shows_what_to_paste_its_invoices_and_its_volume(admin, client, marketplace):
    account = selling.register(marketplace)
    paid = selling.pay(client, selling.invoice(marketplace), "65f0000000000000000000a1")
    selling.invoice(marketplace, "order_2", amount=123_456_789)
    page = read(one(admin, marketplace))
    for shown in (
        "Restoran A",
        "http://127.0.0.1:8000/api/callbacks/payme",
        f"/admin/statements/{account.pk}/",
        f"/admin/checkout/order/{paid.pk}/change/",
        "order_2",
        "1,234,567.89\u00a0UZS",
        "10,000.00\u00a0UZS",
        "Add Click…",
        "Block all…",
    ):
        assert shown in page, shown
    assert "Add Payme…" not in page
    assert selling.KEY not in page and selling.KASSA not in page


def test_the_page_of_a_business_asks_a_bounded_number_of_questions(admin, marketplace, django_assert_max_num_queries):
    selling.register(marketplace)
    for number in range(12):
        selling.invoice(marketplace, f"order_{number}")
    with django_assert_max_num_queries(14):
        one(admin, marketplace)


@pytest.mark.parametrize("business", ["../../etc", "a/b?c=d&e#f", "Ресторан №1", "'; drop table", "<script>alert(1)"])
def test_any_business_id_has_its_page_and_breaks_none(admin, marketplace, business):
    selling.register(marketplace, business=business, name="")
    listed = read(admin.get(LIST))
    address = listed.split('href="/admin/businesses/one/?')[1].split('"')[0].replace("&amp;", "&")
    page = read(admin.client.get(f"/admin/businesses/one/?{address}"))
    assert "<script>alert(1)" not in page + listed
    assert "Payme" in page


@pytest.mark.parametrize(
    "query", ["", "?source=bozor", "?source=bozor&id=", "?source=x&id=biz_42", "?id=%00&source=%00"]
)
def test_a_business_that_is_not_there_is_not_found(support, marketplace, query):
    selling.register(marketplace)
    assert support.client.get(f"{LIST}one/{query}").status_code == 404


# --- credentials --------------------------------------------------------------------------------------------------


def test_a_business_gets_an_account_by_the_processors_own_fields(admin, marketplace):
    choice = {"provider": marketplace.pk, "business_id": "biz_77", "processor": "uzum", "mode": "test"}
    form = read(admin.get(ADD, **choice))
    for field in ("serviceId", "login", "password", "biz_77", "/api/callbacks/uzum/reverse"):
        assert field in form, field
    query = "&".join(f"{name}={value}" for name, value in choice.items())
    wrong = read(admin.post(f"{ADD}?{query}", serviceId="101", login="bank", password=""))
    assert "This field is required" in wrong
    assert not MerchantAccount.objects.exists()
    typed = {"serviceId": "101", "login": "bank", "password": "p4ss-of-the-bank", "business_name": "Choyxona"}
    assert admin.post(f"{ADD}?{query}", **typed).status_code == 302
    account = MerchantAccount.objects.get()
    assert (account.business_id, account.provider, account.business_name) == ("biz_77", marketplace, "Choyxona")
    assert "p4ss-of-the-bank" not in read(admin.get(f"/admin/providers/merchantaccount/{account.pk}/change/"))
    assert "Choyxona" in read(one(admin, marketplace, "biz_77"))
    again = admin.get(ADD, **choice)
    assert again.status_code == 302 and str(account.pk) in again["Location"]
    assert AuditEntry.objects.filter(act="account_credentials_saved").count() == 1


def test_replaced_credentials_stay_with_their_business_and_another_cash_desk_makes_a_new_account(admin, marketplace):
    account = selling.register(marketplace)
    url = f"/admin/providers/merchantaccount/{account.pk}/change/"
    assert "biz_42" in read(admin.get(url))
    admin.post(url, merchantId=selling.KASSA, key="another-key-00000000000000000000000", business_name="Restoran A")
    account.refresh_from_db()
    assert (account.business_id, account.retired_at) == ("biz_42", None)
    admin.post(url, merchantId="f" * 24, key="", business_name="Restoran A")
    account.refresh_from_db()
    assert account.retired_at is not None
    assert MerchantAccount.objects.get(retired_at=None).business_id == "biz_42"
    assert "Retired (1)" in read(one(admin, marketplace))


# --- switches -----------------------------------------------------------------------------------------------------


def refuses_invoices(provider):
    with pytest.raises(CheckoutError):
        selling.invoice(provider, "order_9")
    return True


def test_an_account_is_deactivated_and_activated_and_both_are_written_down(admin, marketplace):
    account = selling.register(marketplace)
    base = f"/admin/providers/merchantaccount/{account.pk}"
    assert "through the API" in read(admin.get(f"{base}/deactivate/"))
    admin.post(f"{base}/deactivate/")
    assert refuses_invoices(marketplace)
    assert "inactive" in read(admin.get(f"{base}/change/"))
    admin.post(f"{base}/activate/")
    assert selling.invoice(marketplace).status == "pending"
    acts = list(AuditEntry.objects.filter(target_id=str(account.pk)).values_list("act", "actor_name").order_by("id"))
    assert acts == [("account_switched_off", "anna"), ("account_switched_on", "anna")]


def test_a_blocked_business_takes_no_money_and_the_api_cannot_lift_it(admin, marketplace, client, settings):
    account = selling.register(marketplace)
    open_one = selling.invoice(marketplace)
    asked = read(admin.get(f"{LIST}block/?source=bozor&id=biz_42"))
    assert "payme test" in asked
    answer = admin.post(f"{LIST}block/?source=bozor&id=biz_42", follow=True)
    assert "1 account changed" in read(answer)
    assert refuses_invoices(marketplace)
    settings.SERVICE_API_KEYS = {"test": "service-key", "live": ""}
    body = {"source": "bozor", "businessId": "biz_42", "provider": "payme", "isActive": True, "credentials": PAYME}
    again = client.post("/api/merchants", body, content_type="application/json", headers={"x-api-key": "service-key"})
    assert again.json()["data"]["isActive"] is False
    account.refresh_from_db()
    assert account.blocked_at is not None
    admin.post(f"{LIST}unblock/?source=bozor&id=biz_42")
    assert selling.pay(client, open_one, "65f0000000000000000000a1").status == "paid"


@pytest.mark.parametrize("path", ["block/", "unblock/"])
def test_support_and_finance_look_and_change_nothing(support, finance, marketplace, path):
    account = selling.register(marketplace)
    for person in (support, finance):
        page = read(one(person, marketplace))
        assert "Block all…" not in page and "Add Click…" not in page
        assert person.post(f"{LIST}{path}?source=bozor&id=biz_42").status_code == 403
        assert person.post(f"/admin/providers/merchantaccount/{account.pk}/deactivate/").status_code == 403
    account.refresh_from_db()
    assert (account.blocked_at, account.is_active) == (None, True)


@pytest.mark.parametrize("path", [LIST, f"{LIST}one/", f"{LIST}block/", "/admin/statements/"])
def test_strangers_and_people_without_a_role_see_none_of_it(person, client, path):
    assert client.get(path).status_code == 302
    assert person("nobody").get(path).status_code == 403


def test_a_marketplaces_page_does_not_list_its_businesses_one_by_one(admin, marketplace):
    selling.register(marketplace)
    page = read(admin.get(f"/admin/providers/provider/{marketplace.pk}/change/"))
    assert "Accounts of its businesses" in page
    assert "Restoran A" not in page
    assert not Approval.objects.exists()
    assert Provider.objects.count() == 1
