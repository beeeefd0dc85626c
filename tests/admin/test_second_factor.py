import re

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from providers import staff
from providers.models import AuditEntry, RecoveryCode, RecoveryDevice, StaffDevice
from tests.admin.people import PASSWORD, SECRET, code, make_staff, rested, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

DOORS = {"/admin/login/", "/admin/second-factor/", "/admin/enrol/"}
SAMPLES = {"<uuid:": "018f0000-0000-7000-8000-000000000000", "<int:": "1"}


def every_address():
    """Each address of the back office, with made-up ids in it."""

    def walk(patterns, prefix):
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            elif isinstance(pattern, URLPattern):
                yield route

    routes = walk(django_admin.site.get_urls(), "/admin/")
    for route in routes:
        filled = re.sub(r"<[^>]*>", lambda found: _sample(found[0]), route)
        yield re.sub(r"\(\?P.*?\)\$?|\^|\$", "auth/", filled) if "(?P" in filled else filled


def _sample(converter):
    return next((value for start, value in SAMPLES.items() if converter.startswith(start)), "1")


def password_only(user):
    client = Client()
    answer = client.post("/admin/login/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_shut(answer):
    return answer.status_code == 302 and answer["Location"].startswith("/admin/login/")


def test_without_the_second_factor_no_address_of_the_back_office_opens():
    root = make_staff("root", is_superuser=True)
    addresses = set(every_address()) - DOORS
    assert len(addresses) > 50
    stranger, half = Client(), password_only(root)
    forced = Client()
    forced.force_login(root)  # a session of another part of the site, without a second factor
    for client in (stranger, half, forced):
        for address in addresses:
            for answer in (client.get(address), client.post(address, {"decision": "approve"})):
                # Logging out is open to everybody, and shows nothing.
                assert is_shut(answer) or address == "/admin/logout/", (address, answer.status_code)


def test_a_signed_in_customer_without_staff_rights_sees_nothing():
    user = User.objects.create_user("buyer", password=PASSWORD)
    staff.add_device(user=user, secret=SECRET, now=timezone.now())
    client = Client()
    answer = client.post("/admin/login/", {"username": "buyer", "password": PASSWORD})
    assert answer.status_code == 200
    assert is_shut(client.get("/admin/second-factor/"))
    assert is_shut(client.get("/admin/"))


def test_password_and_code_open_the_back_office_and_rotate_the_session():
    anna = make_staff("anna", "admin")
    client = Client()
    client.get("/admin/login/")
    answer = client.post("/admin/login/", {"username": "anna", "password": PASSWORD})
    assert answer["Location"] == "/admin/second-factor/"
    half = client.session.session_key
    assert "_auth_user_id" not in client.session
    answer = client.post("/admin/second-factor/", {"code": code()})
    assert answer["Location"] == "/admin/"
    assert client.session.session_key != half
    assert client.get("/admin/").status_code == 200
    assert list(AuditEntry.objects.filter(act="signed_in").values_list("actor_name", flat=True)) == ["anna"]
    assert anna.username in client.get("/admin/").content.decode()


def test_a_code_is_good_once():
    anna = make_staff("anna", "admin")
    client = password_only(anna)
    shown = code()
    assert client.post("/admin/second-factor/", {"code": shown}).status_code == 302
    other = password_only(anna)
    answer = other.post("/admin/second-factor/", {"code": shown})
    assert answer.status_code == 200
    assert "used already" in answer.content.decode()
    assert is_shut(other.get("/admin/"))


@pytest.mark.parametrize("wrong", ["000000", "12345", "abcdef", "١٢٣٤٥٦", "", "x" * 41, "aaaa-bbbb-cccc-dddd"])
def test_a_wrong_code_is_refused_and_written_down(wrong):
    anna = make_staff("anna", "admin")
    staff.fresh_recovery_codes(user=anna, now=timezone.now())
    client = password_only(anna)
    answer = client.post("/admin/second-factor/", {"code": wrong})
    assert answer.status_code == 200
    assert is_shut(client.get("/admin/"))
    failed = AuditEntry.objects.filter(act="sign_in_failed").count()
    assert failed == (0 if wrong in ("", "x" * 41) else 1)


def test_after_wrong_codes_even_a_right_one_has_to_wait():
    anna = make_staff("anna", "admin")
    client = password_only(anna)
    for _ in range(4):
        client.post("/admin/second-factor/", {"code": "000000"})
        StaffDevice.objects.filter(user=anna).update(throttling_failure_timestamp=None)
    client.post("/admin/second-factor/", {"code": "000000"})
    answer = client.post("/admin/second-factor/", {"code": code()})
    assert "Try again in" in answer.content.decode()
    assert is_shut(client.get("/admin/"))


def test_wrong_passwords_are_throttled_and_said_so():
    make_staff("anna", "admin")
    client = Client()
    answers = [client.post("/admin/login/", {"username": "anna", "password": "wrong"}) for _ in range(12)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert "Too many" in answers[-1].content.decode()
    right = client.post("/admin/login/", {"username": "anna", "password": PASSWORD})
    assert right.status_code == 429
    assert is_shut(client.get("/admin/second-factor/"))
    names = set(AuditEntry.objects.filter(act="sign_in_failed").values_list("actor_name", flat=True))
    assert names == {"anna"}


def test_a_password_typed_as_a_name_is_not_written_down():
    Client().post("/admin/login/", {"username": "my secret password", "password": "x"})
    entry = AuditEntry.objects.get(act="sign_in_failed")
    assert (entry.actor_name, entry.target_id) == ("unknown", "")
    assert "my secret" not in str(entry.details)


def test_a_half_session_ends_when_the_password_changes_or_the_person_is_locked_out():
    anna, boris = make_staff("anna", "admin"), make_staff("boris", "admin")
    clients = password_only(anna), password_only(boris)
    anna.set_password("another long password")
    anna.save()
    User.objects.filter(pk=boris.pk).update(is_active=False)
    for client in clients:
        assert is_shut(client.post("/admin/second-factor/", {"code": code()}))
        assert is_shut(client.get("/admin/"))


def test_the_half_session_rests_ten_minutes():
    anna = make_staff("anna", "admin")
    client = password_only(anna)
    session = client.session
    session["staff_sign_in"] = {**session["staff_sign_in"], "until": "2026-01-01T00:00:00+00:00"}
    session.save()
    assert is_shut(client.post("/admin/second-factor/", {"code": code()}))


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/admin/providers/provider/?q=1", "/admin/providers/provider/?q=1"),
        ("https://evil.test/", "/admin/"),
        ("//evil.test/admin/", "/admin/"),
        ("/\\evil.test", "/admin/"),
        ("/admin/\\..\\evil", "/admin/"),
        ("/admin/../elsewhere", "/admin/"),
        ("/somewhere/else", "/admin/"),
        ("/admin/logout/", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("", "/admin/"),
    ],
)
def test_after_signing_in_one_goes_only_to_our_own_pages(wanted, goes_to):
    anna = make_staff("anna", "admin")
    client = Client()
    client.post("/admin/login/", {"username": "anna", "password": PASSWORD, "next": wanted})
    rested(anna)
    answer = client.post("/admin/second-factor/", {"code": code()})
    assert answer["Location"] == goes_to


def enrol(client):
    page = client.get("/admin/enrol/").content.decode()
    secret = "".join(re.search(r'class="secret"[^>]*>([A-Z2-7 ]+)<', page)[1].split())
    return page, secret, client.post("/admin/enrol/", {"code": code(secret + "=" * (-len(secret) % 8))})


def test_somebody_new_is_led_through_enrolment_to_ten_recovery_codes():
    user = User.objects.create_user("neu", password=PASSWORD, is_staff=True)
    client = Client()
    answer = client.post("/admin/login/", {"username": "neu", "password": PASSWORD})
    assert answer["Location"] == "/admin/enrol/"
    assert is_shut(client.get("/admin/"))
    page, secret, answer = enrol(client)
    assert re.search(r'<svg[^>]* viewBox="', page)  # without it a phone shows a part of the code only
    text = answer.content.decode()
    codes = re.findall(r"<li><code>([a-z2-7-]{19})</code></li>", text)
    assert len(set(codes)) == 10
    assert "no-store" in answer["Cache-Control"]
    assert client.get("/admin/").status_code == 200
    stored = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert len(stored) == 10 and not stored & set(codes)
    assert secret.lower() not in str(StaffDevice.objects.values()).lower()
    assert [e.act for e in AuditEntry.objects.filter(actor=user).order_by("id")] == [
        "second_factor_enrolled",
        "recovery_codes_made",
        "signed_in",
    ]


def test_a_wrong_code_enrols_nobody():
    user = User.objects.create_user("neu", password=PASSWORD, is_staff=True)
    client = password_only(user)
    client.get("/admin/enrol/")
    assert client.post("/admin/enrol/", {"code": "000000"}).status_code == 200
    assert not StaffDevice.objects.filter(confirmed=True).exists()
    assert not RecoveryDevice.objects.exists()
    assert is_shut(client.get("/admin/"))


def test_two_tabs_of_the_enrolment_show_the_same_secret():
    user = User.objects.create_user("neu", password=PASSWORD, is_staff=True)
    client = password_only(user)
    pattern = r'class="secret"[^>]*>([A-Z2-7 ]+)<'
    first, second = (re.search(pattern, client.get("/admin/enrol/").content.decode())[1] for _ in range(2))
    assert first == second


def test_a_password_alone_cannot_enrol_a_second_device():
    anna = make_staff("anna", "admin")
    client = password_only(anna)
    assert is_shut(client.get("/admin/enrol/"))
    assert is_shut(client.post("/admin/enrol/", {"code": code()}))
    assert StaffDevice.objects.filter(user=anna).count() == 1


def test_a_recovery_code_opens_once():
    anna = make_staff("anna", "admin")
    one, *_ = staff.fresh_recovery_codes(user=anna, now=timezone.now())
    client = password_only(anna)
    assert client.post("/admin/second-factor/", {"code": one.upper().replace("-", " ")}).status_code == 302
    assert "9 are left" in client.get("/admin/").content.decode()
    other = password_only(anna)
    assert other.post("/admin/second-factor/", {"code": one}).status_code == 200
    assert is_shut(other.get("/admin/"))


def test_new_recovery_codes_need_a_present_code_and_end_the_former_ones():
    anna = sign_in(make_staff("anna", "admin"))
    old, *_ = staff.fresh_recovery_codes(user=anna.user, now=timezone.now())
    digests = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert "not right" in anna.post("/admin/security/", codes="", code="000000").content.decode()
    assert set(RecoveryCode.objects.values_list("digest", flat=True)) == digests
    rested(anna.user)
    assert "shown <strong>once" in anna.post("/admin/security/", codes="", code=code()).content.decode()
    assert not set(RecoveryCode.objects.values_list("digest", flat=True)) & digests
    client = password_only(anna.user)
    assert client.post("/admin/second-factor/", {"code": old}).status_code == 200


def test_replacing_the_authenticator_needs_a_present_code_and_ends_the_former_one():
    anna = sign_in(make_staff("anna", "admin"))
    elsewhere = sign_in(anna.user)
    before = StaffDevice.objects.get(user=anna.user)
    assert anna.get("/admin/enrol/")["Location"] == "/admin/security/"
    rested(anna.user)
    assert anna.post("/admin/security/", replace="", code=code())["Location"] == "/admin/enrol/"
    _page, _secret, answer = enrol(anna.client)
    assert "recovery codes" in answer.content.decode()
    assert StaffDevice.objects.get(user=anna.user).pk != before.pk
    assert anna.get("/admin/").status_code == 200
    assert is_shut(elsewhere.get("/admin/"))  # its session was verified by the device that is gone


def test_a_new_password_ends_every_other_session():
    anna = sign_in(make_staff("anna", "admin"))
    rested(anna.user)
    elsewhere = sign_in(anna.user)
    new = "a wholly other passphrase"
    answer = anna.post("/admin/password_change/", old_password=PASSWORD, new_password1=new, new_password2=new)
    assert answer.status_code == 302
    assert anna.get("/admin/").status_code == 200
    assert is_shut(elsewhere.get("/admin/"))
    assert AuditEntry.objects.filter(act="password_changed", actor=anna.user).count() == 1


def test_the_secret_of_a_device_in_use_is_never_shown_again():
    anna = sign_in(make_staff("anna", "admin"))
    device = StaffDevice.objects.get(user=anna.user)
    with pytest.raises(ValueError):
        staff.secret_of(device)
    for url in ("/admin/security/", f"/admin/auth/user/{anna.user.pk}/change/"):
        assert SECRET not in anna.get(url).content.decode()
    assert SECRET not in repr(device)


def test_no_page_of_the_doors_may_be_kept_or_framed():
    for answer in (Client().get("/admin/login/"), Client().get("/admin/")):
        assert "no-store" in answer["Cache-Control"] or answer.status_code == 302
    policy = Client().get("/admin/login/")["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy + ";"
    assert "frame-ancestors 'none'" in policy
