"""Who may do what: one table, asked over HTTP."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.utils import timezone

from providers import changes, staff
from providers.models import Approval, AuditEntry, Provider, StaffDevice
from tests import builders
from tests.admin.people import PASSWORD, make_staff, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {"support", "finance", "admin", "superuser"}
FINANCE = {"finance", "admin", "superuser"}
ADMINS = {"admin", "superuser"}
SCREENS = [  # address, who may open it
    ("/admin/", ALL | {""}),
    ("/admin/security/", ALL | {""}),
    ("/admin/checkout/order/", ALL),
    ("/admin/checkout/order/{order}/change/", ALL),
    ("/admin/checkout/order/{order}/payments/{payment}/refund/", FINANCE),
    ("/admin/checkout/order/{order}/payments/{payment}/settle/", FINANCE),
    ("/admin/checkout/order/{order}/cancel/", FINANCE),
    ("/admin/checkout/refund/", ALL),
    ("/admin/checkout/callbackrecord/", ALL),
    ("/admin/checkout/letter/", ALL),
    ("/admin/checkout/letter/order/{order}/receipt/", ALL),
    ("/admin/webhooks/delivery/?view=stuck", ALL),
    ("/admin/webhooks/delivery/{delivery}/change/", ALL),
    ("/admin/webhooks/delivery/{delivery}/replay/", ALL),
    ("/admin/webhooks/delivery/provider/{provider}/replay/", ALL),
    ("/admin/providers/provider/", ALL),
    ("/admin/providers/provider/{provider}/change/", ALL),
    ("/admin/providers/provider/add/", ADMINS),
    ("/admin/providers/provider/{provider}/keys/new/", ADMINS),
    ("/admin/providers/provider/{provider}/signing-secret/rotate/", ADMINS),
    ("/admin/providers/provider/{provider}/signing-secret/promote/", ADMINS),
    ("/admin/providers/provider/{provider}/signing-secret/withdraw/", ADMINS),
    ("/admin/providers/service/", ALL),
    ("/admin/providers/service/add/", ADMINS),
    ("/admin/providers/merchantaccount/", ALL),
    ("/admin/providers/merchantaccount/add/", ADMINS),
    ("/admin/providers/merchantaccount/{account}/change/", ALL),
    ("/admin/providers/merchantaccount/{account}/block/", ADMINS),
    ("/admin/providers/merchantaccount/{account}/retire/", ADMINS),
    ("/admin/providers/approval/", ALL),
    ("/admin/providers/auditentry/", ALL),
    ("/admin/auth/user/", ADMINS),
    ("/admin/auth/user/add/", ADMINS),
]


@pytest.mark.parametrize("role", ["", "support", "finance", "admin", "superuser"])
def test_each_role_opens_its_screens_and_no_others(role, person, lab, client):
    order = builders.make_paid_order(lab, client)
    delivery = order_delivery(order)
    names = {
        "order": order.pk,
        "payment": order.paid_by_id,
        "provider": order.provider_id,
        "account": order.provider.accounts.get().pk,
        "delivery": delivery.pk,
    }
    someone = person("someone", role)
    opened = {address: someone.get(address.format(**names)).status_code for address, _who in SCREENS}
    assert opened == {address: 200 if role in who else 403 for address, who in SCREENS}


def order_delivery(order):
    from webhooks.models import Delivery

    return Delivery.objects.filter(order_id=order.pk).first()


def test_support_cannot_act_by_posting_past_the_buttons(support, lab, client):
    order = builders.make_paid_order(lab, client)
    base = f"/admin/checkout/order/{order.pk}"
    for url, data in [
        (f"{base}/payments/{order.paid_by_id}/refund/", {"amount": "1", "reason": "x", "wish": "w"}),
        (f"{base}/cancel/", {}),
        (f"/admin/providers/provider/{order.provider_id}/keys/new/", {"mode": "test", "form_token": "t"}),
        (f"/admin/providers/provider/{order.provider_id}/signing-secret/show/", {"which": "current"}),
        (f"/admin/providers/provider/{order.provider_id}/change/", {"name": "Mine"}),
        (f"/admin/providers/merchantaccount/{order.provider.accounts.get().pk}/change/", {"secretKey": "sk_test_x"}),
        ("/admin/auth/user/add/", {"username": "x", "password1": PASSWORD, "password2": PASSWORD}),
    ]:
        assert support.post(url, **data).status_code == 403, url
    order.refresh_from_db()
    assert (order.status, order.refunded_minor) == ("paid", 0)
    assert (order.provider.api_keys.count(), User.objects.count()) == (0, 1)
    assert Provider.objects.get().name == "Bitloader"


def test_nobody_deletes_anything(person, lab, client):
    root = person("root", "superuser")
    order = builders.make_paid_order(lab, client)
    for url in (
        f"/admin/checkout/order/{order.pk}/delete/",
        f"/admin/providers/provider/{order.provider_id}/delete/",
        f"/admin/providers/service/{order.service_id}/delete/",
        f"/admin/auth/user/{root.user.pk}/delete/",
        f"/admin/providers/auditentry/{AuditEntry.objects.first().pk}/delete/",
    ):
        assert root.post(url, post="yes").status_code == 403, url


def test_the_audit_trail_cannot_be_written(person):
    root = person("root", "superuser")
    entry = AuditEntry.objects.first()
    assert root.post("/admin/providers/auditentry/add/").status_code == 403
    answer = root.post(f"/admin/providers/auditentry/{entry.pk}/change/", actor_name="somebody else")
    assert answer.status_code == 403
    entry.refresh_from_db()
    assert entry.actor_name == "root"


def test_migrating_brings_changed_roles_back_to_the_table(db):
    Group.objects.get(name="support").permissions.set(Group.objects.get(name="admin").permissions.all())
    call_command("migrate", verbosity=0)
    labels = {
        f"{row.content_type.app_label}.{row.codename}"
        for row in Group.objects.get(name="support").permissions.select_related("content_type")
    }
    assert labels == set(staff.ROLES["support"])


# --- People -------------------------------------------------------------------------------------------------------


def person_form(**more):
    return {"username": "dora", "email": "d@pay.test", "first_name": "", "last_name": "", "role": "support", **more}


def test_an_admin_makes_a_colleague_who_enrols_at_the_first_sign_in(admin):
    answer = admin.post(
        "/admin/auth/user/add/", **person_form(password1=PASSWORD, password2=PASSWORD, usable_password="true")
    )
    assert answer.status_code == 302, answer.content.decode()
    dora = User.objects.get(username="dora")
    assert (dora.is_staff, dora.is_superuser, staff.role_of(dora)) == (True, False, "support")
    acts = list(AuditEntry.objects.filter(target_id=str(dora.pk)).order_by("id").values_list("act", flat=True))
    assert acts == ["staff_created", "role_changed"]


def test_an_admin_changes_a_role_and_the_trail_says_from_what_to_what(admin):
    dora = make_staff("dora", "support")
    answer = admin.post(f"/admin/auth/user/{dora.pk}/change/", **person_form(role="finance", is_active="on"))
    assert answer.status_code == 302
    assert staff.role_of(User.objects.get(pk=dora.pk)) == "finance"
    entry = AuditEntry.objects.filter(act="role_changed", target_id=str(dora.pk)).first()
    assert (entry.actor_name, entry.details) == ("anna", {"from": "support", "to": "finance"})


def test_an_admin_can_neither_become_a_superuser_nor_change_one(admin):
    root = make_staff("root", is_superuser=True)
    data = person_form(is_superuser="on", is_staff="on", user_permissions=["1"], role="admin", username="anna")
    admin.post(f"/admin/auth/user/{admin.user.pk}/change/", **data)
    admin.user.refresh_from_db()
    assert (admin.user.is_superuser, admin.user.user_permissions.count()) == (False, 0)
    for url in (f"/admin/auth/user/{root.pk}/password/", f"/admin/auth/user/{root.pk}/reset-second-factor/"):
        new = "another long passphrase"
        answer = admin.post(url, password1=new, password2=new, usable_password="true")
        assert answer.status_code in (403, 302)
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


# --- Two pairs of eyes on a second factor -------------------------------------------------------------------------


def test_a_second_factor_is_reset_by_two_people_who_are_not_its_owner(person):
    root, other = person("root", "superuser"), person("rita", "superuser")
    dora = sign_in(make_staff("dora", "admin"))
    assert root.post(f"/admin/auth/user/{dora.user.pk}/reset-second-factor/").status_code == 302
    approval = Approval.objects.get()
    page = f"/admin/providers/approval/{approval.pk}/change/"
    for who in (root, dora):
        who.post(page, decision="approve")
        assert StaffDevice.objects.filter(user=dora.user).exists()
        approval.refresh_from_db()
        assert approval.state == "waiting"
    assert "somebody else has to approve" in root.get(page).content.decode()
    other.post(page, decision="approve")
    assert not StaffDevice.objects.filter(user=dora.user).exists()
    assert dora.get("/admin/")["Location"].startswith("/admin/login/")
    entry = AuditEntry.objects.get(act="second_factor_reset")
    assert (entry.actor_name, entry.details) == ("rita", {"asked_by": "root"})


def test_support_cannot_approve_the_reset_of_a_second_factor(person, support):
    root, dora = person("root", "superuser"), make_staff("dora", "admin")
    staff.ask_reset(user=dora, actor=root.user, now=timezone.now())
    page = f"/admin/providers/approval/{Approval.objects.get().pk}/change/"
    assert support.post(page, decision="approve").status_code == 403
    assert StaffDevice.objects.filter(user=dora).exists()
    assert "Your role cannot decide this" in support.get(page).content.decode()


def test_live_changes_know_when_a_provider_is_live(db):
    provider = builders.make_provider()
    assert not changes.is_live(provider)
    builders.make_key(provider, mode=builders.Mode.LIVE)
    assert changes.is_live(provider)
