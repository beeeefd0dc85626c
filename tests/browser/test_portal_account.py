"""The portal's doors, people, keys and settings in a browser: legible, accessible, and without script."""

import os
import re
from pathlib import Path

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from gateway.types import Mode
from providers import account_mail, keys, members, signing_secrets
from providers.models import ApiKey, Member, Role
from tests.admin.people import code
from tests.browser.axe import findings
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_portal_money import NARROW, signed_in
from tests.builders import make_provider
from tests.portal.people import PASSWORD, make_member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PORTAL_PICTURES", "")  # a folder: each page is kept there, to be looked at


@pytest.fixture
def provider(lab):
    return make_provider(name="A seller whose name is rather long and does not end soon")


@pytest.fixture
def pages(provider):
    """name → address, of a seller with something of everything."""
    now = timezone.now()
    boss = make_member(provider, "owner", "a.very.long.address.of.somebody@a-rather-long-host-name.test")
    viewer = make_member(provider, "viewer", "viewer@shop.test")
    members.invite(provider=provider, email="new@shop.test", role=Role.DEVELOPER, invited_by=boss.user, now=now)
    invitation, _token = members.invite(
        provider=provider, email="other@shop.test", role=Role.VIEWER, invited_by=boss.user, now=now
    )
    secret, _text = keys.issue_key(
        provider=provider, mode=Mode.TEST, name="shop", kind=ApiKey.Kind.MERCHANT_SECRET, now=now
    )
    old, _text = keys.issue_key(provider=provider, mode=Mode.TEST, name="the machine of somebody", now=now)
    keys.rotate_key(key=old, overlap=timezone.timedelta(hours=24), now=now)
    gone, _text = keys.issue_key(provider=provider, mode=Mode.TEST, now=now)
    keys.revoke_key(key=gone, now=now)
    signing_secrets.rotate(provider, now=now)
    signing_secrets.rotate(provider, now=now)
    return {
        "account": "/portal/account",
        "password": "/portal/account/password",
        "sign-out-everywhere": "/portal/account/sign-out",
        "second-factor": "/portal/account/second-factor",
        "people": "/portal/people/",
        "invite": "/portal/people/invite",
        "role": f"/portal/people/{viewer.pk}/role",
        "remove": f"/portal/people/{viewer.pk}/remove",
        "dev-api": "/dev/api",
        "dev-api-php": "/dev/api?api=provider&code=php",
        "new-secret": "/dev/api/keys/new/merchant",
        "rotate": f"/dev/api/keys/{secret.pk}/rotate",
        "revoke": f"/dev/api/keys/{secret.pk}/revoke",
        "show-signing": "/dev/api/signing-secret/show",
        "promote": "/dev/api/signing-secret/promote",
        "settings": "/portal/settings/",
        "webhook": "/portal/settings/webhook",
        "returns": "/portal/settings/returns",
        "service": "/portal/settings/service",
        "lost": "/portal/people/00000000-0000-0000-0000-000000000000/role",
    }


@pytest.fixture
def outside(provider):
    """name → address, of what is open to people who are not signed in."""
    now = timezone.now()
    boss = make_member(provider, "owner", "boss@shop.test")
    known = make_member(make_provider(), "viewer", "known@shop.test")
    new = members.invite(provider=provider, email="new@shop.test", role=Role.OWNER, invited_by=boss.user, now=now)[1]
    old = members.invite(provider=provider, email="known@shop.test", role=Role.OWNER, invited_by=boss.user, now=now)[1]
    uid = urlsafe_base64_encode(force_bytes(known.user.pk))
    return {
        "sign-in": "/portal/sign-in",
        "forgot": "/portal/forgot",
        "join": f"/portal/join/{new}",
        "join-known": f"/portal/join/{old}",
        "join-closed": "/portal/join/invented",
        "reset": f"/portal/reset/{uid}/{default_token_generator.make_token(known.user)}",
        "reset-closed": f"/portal/reset/{uid}/invented",
    }


class Looker:
    """Goes from page to page and notes what is wrong with them."""

    def __init__(self, page, shop, name):
        self.page, self.shop, self.name, self.wrong = page, shop, name, []

    def look(self, name):
        page = self.page
        page.wait_for_load_state()  # with its stylesheets
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            self.wrong.append(f"{name} is too wide")
        self.wrong += [f"{name}: {one}" for one in findings(page)]
        if PICTURES:
            page.screenshot(path=str(Path(PICTURES) / f"{name}--{self.name}.png"), full_page=True)

    def visit(self, pages, but=()):
        for name, address in pages.items():
            answer = self.page.goto(self.shop + address)
            assert answer.ok or answer.status in (403, 404), (name, answer.status)
            self.look(name)


LOOKS = [(NARROW, "light", "ru"), (PHONE, "dark", "uz"), (DESKTOP, "light", "en"), (DESKTOP, "dark", "ru")]
NAMES = ["narrow-light-ru", "phone-dark-uz", "desktop-light-en", "desktop-dark-ru"]


@pytest.mark.parametrize(("viewport", "scheme", "lang"), LOOKS, ids=NAMES)
def test_every_page_is_legible_and_accessible(visit, shop, provider, pages, viewport, scheme, lang):
    page = signed_in(visit, shop, provider, lang, viewport=viewport, color_scheme=scheme)
    looker = Looker(page, shop, f"{viewport['width']}-{scheme}-{lang}")
    page.on("console", lambda message: None)
    looker.visit({name: address for name, address in pages.items() if name != "lost"})
    page.goto(f"{shop}/dev/api/keys/new/api")
    page.click("main form button[type=submit]")
    looker.look("once")
    page.goto(f"{shop}/portal/account/second-factor")
    page.fill("[name=proof]", PASSWORD)
    page.click("main form button[type=submit]")
    looker.look("enrol")
    page.fill("[name=code]", code(page.inner_text(".note .id").replace(" ", "")))
    page.click("main form button[type=submit]")
    looker.look("recovery-codes")
    page.goto(f"{shop}/portal/account")
    looker.look("account-protected")
    page.goto(f"{shop}/dev/api")
    page.check("[name=api][value=merchant_secret]")
    page.fill("[name=amount]", "12.50")
    page.click("form[action='/dev/api/try'] button[type=submit]")
    looker.look("try")
    assert looker.wrong == []


@pytest.mark.parametrize(("viewport", "scheme", "lang"), LOOKS, ids=NAMES)
def test_every_page_outside_the_door_is_legible_and_accessible(visit, shop, outside, viewport, scheme, lang):
    visitor = visit(viewport=viewport, color_scheme=scheme)
    page = visitor.open(f"{shop}/portal/sign-in?lang={lang}")
    looker = Looker(page, shop, f"{viewport['width']}-{scheme}-{lang}")
    looker.visit(outside)
    page.goto(f"{shop}/portal/forgot")
    page.fill("[name=email]", "nobody@shop.test")
    page.click("main form button[type=submit]")
    looker.look("forgot-sent")
    page.goto(f"{shop}/portal/sign-in")
    page.fill("[name=username]", "nobody@shop.test")
    page.fill("[name=password]", "wrong")
    page.click("main form button[type=submit]")
    looker.look("sign-in-refused")
    # What is not found is said by the browser's console too: that is no fault of the page.
    visitor.complaints[:] = [text for text in visitor.complaints if "404" not in text]
    assert looker.wrong == []


def test_a_seller_with_nothing_yet_and_a_viewer_find_words_instead_of_emptiness(visit, shop, provider):
    provider.service, provider.webhook_url = None, ""
    provider.success_redirect_url = provider.cancel_redirect_url = ""
    provider.save()
    for viewport, scheme in ((PHONE, "light"), (DESKTOP, "dark")):
        looker = Looker(
            signed_in(visit, shop, provider, viewport=viewport, color_scheme=scheme),
            shop,
            f"empty-{viewport['width']}-{scheme}",
        )
        looker.visit({"dev-api": "/dev/api", "settings": "/portal/settings/", "people": "/portal/people/"})
        looker.page.goto(f"{shop}/portal/settings/service/new")
        looker.look("new-service")
        assert looker.wrong == []


def test_an_invitation_is_accepted_and_a_key_made_without_script(visit, shop, provider):
    page = signed_in(visit, shop, provider, script=False)
    page.goto(f"{shop}/portal/people/invite")
    page.fill("[name=email]", "new@shop.test")
    page.check("[name=role][value=developer]")
    page.fill("[name=proof]", PASSWORD)
    page.click("main form button[type=submit]")
    account_mail.settle()
    link = re.search(r"http\S+/portal/join/\S+", mail.outbox[-1].body)[0]
    guest = visit(script=False).open(link)
    guest.fill("[name=new_password1]", "a-good-long-password-7")
    guest.fill("[name=new_password2]", "a-good-long-password-7")
    guest.click("main form button[type=submit]")
    assert Member.objects.filter(user__username="new@shop.test", role="developer").count() == 1
    guest.goto(f"{shop}/dev/api")
    guest.click("text=New merchant secret")
    guest.click("main form button[type=submit]")
    text = guest.inner_text("#once")
    assert keys.find_key(text, kind=ApiKey.Kind.MERCHANT_SECRET, now=timezone.now())


def test_a_key_is_copied_by_one_click_and_the_menus_close_by_escape(visit, shop, provider):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    member = make_member(provider, "owner")
    page = visitor.open(f"{shop}/portal/sign-in")
    page.fill("[name=username]", member.user.username)
    page.fill("[name=password]", PASSWORD)
    page.click("main form button[type=submit]")
    page.goto(f"{shop}/dev/api/keys/new/api")
    page.click("main form button[type=submit]")
    page.click("[data-copy='#once']")
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#once")
    page.click(".drop--end summary")
    page.wait_for_selector("text=Sign out")
    page.keyboard.press("Escape")
    assert page.evaluate("document.querySelector('.drop--end').open") is False


def test_a_test_payment_is_paid_at_the_lab_and_its_page_says_so_without_script(visit, shop, provider, lab):
    page = signed_in(visit, shop, provider, script=False)
    page.goto(f"{shop}/dev/api")
    page.click("form[action='/dev/api/try'] button[type=submit]")
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    with page.context.expect_page() as opened:
        page.click("a.button:has-text('Open the buyer’s page')")
    buyer = opened.value
    buyer.click("button:has-text('Cash App')")
    buyer.wait_for_selector("[name=outcome][value=approve]")
    buyer.click("[name=outcome][value=approve]")
    page.wait_for_selector(".badge--ok:has-text('Paid')", timeout=30_000)
    assert "Payment succeeded" in page.inner_text("main")


def test_the_menus_of_a_phone_stay_on_the_page(visit, shop, provider):
    member = make_member(provider, "owner", "both@shop.test")
    make_member(make_provider(name="Another seller, whose name is rather long too"), "viewer", "both@shop.test")
    page = visit(viewport=NARROW).open(f"{shop}/portal/sign-in")
    page.fill("[name=username]", member.user.username)
    page.fill("[name=password]", PASSWORD)
    page.click("main form button[type=submit]")
    page.goto(f"{shop}/portal/people/")
    for menu in (".drop:not(.drop--end)", ".drop--end"):
        page.click(f"{menu} summary")
        box = page.locator(f"{menu} .drop__box").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= NARROW["width"], menu
        page.keyboard.press("Escape")
