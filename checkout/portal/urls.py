"""The addresses of the portal, and who may do what there: the table that docs/portal.md repeats and a test compares.

Each line: name, route, view, and the least role for each method; what is not named is answered 405.
"""

from checkout.portal import (
    account,
    deliveries,
    dev_api,
    doctor,
    home,
    joining,
    keys,
    overview,
    password,
    payment,
    payments,
    people,
    refund,
    service,
    settings,
    sign_in,
    signing,
    try_it,
)
from checkout.portal.access import ANYONE, DEVELOPER, OWNER, SIGNED_IN, VIEWER
from checkout.portal.doors import Door, door

app_name = "portal"

DOORS: list[Door] = [
    # --- The way in
    door("sign_in", "portal/sign-in", sign_in.sign_in, GET=ANYONE, POST=ANYONE),
    door("second_factor", "portal/second-factor", sign_in.second_factor, GET=ANYONE, POST=ANYONE),
    door("sign_out", "portal/sign-out", sign_in.sign_out, POST=ANYONE),
    door("forgot", "portal/forgot", password.forgot, GET=ANYONE, POST=ANYONE),
    door("reset", "portal/reset/<str:uidb64>/<str:token>", password.reset, GET=ANYONE, POST=ANYONE),
    door("invitation", "portal/join/<str:token>", joining.show, GET=ANYONE, POST=ANYONE),
    # --- One's own account
    door("account", "portal/account", account.show, GET=SIGNED_IN, POST=SIGNED_IN),
    door("change_password", "portal/account/password", account.change_password, GET=SIGNED_IN, POST=SIGNED_IN),
    door("sign_out_everywhere", "portal/account/sign-out", account.sign_out_everywhere, GET=SIGNED_IN, POST=SIGNED_IN),
    door(
        "begin_second_factor",
        "portal/account/second-factor",
        account.begin_second_factor,
        GET=SIGNED_IN,
        POST=SIGNED_IN,
    ),
    door("enrol", "portal/account/second-factor/app", account.enrol, GET=SIGNED_IN, POST=SIGNED_IN),
    door("fresh_codes", "portal/account/second-factor/codes", account.fresh_codes, GET=SIGNED_IN, POST=SIGNED_IN),
    door(
        "drop_second_factor",
        "portal/account/second-factor/off",
        account.drop_second_factor,
        GET=SIGNED_IN,
        POST=SIGNED_IN,
    ),
    # --- People
    door("people", "portal/people/", people.show, GET=VIEWER),
    door("invite", "portal/people/invite", people.invite, GET=OWNER, POST=OWNER),
    door("revoke_invitation", "portal/people/invitations/<uuid:invitation_id>/revoke", people.revoke, POST=OWNER),
    door("change_role", "portal/people/<uuid:member_id>/role", people.change_role, GET=OWNER, POST=OWNER),
    door("remove_member", "portal/people/<uuid:member_id>/remove", people.remove, GET=OWNER, POST=OWNER),
    # --- API and keys
    door("dev_api", "dev/api", dev_api.show, GET=DEVELOPER),
    # (in live mode the acts on keys are an owner's: checkout/portal/keys.py)
    door("new_key", "dev/api/keys/new/<str:kind>", keys.create, GET=DEVELOPER, POST=DEVELOPER),
    door("rotate_key", "dev/api/keys/<uuid:key_id>/rotate", keys.rotate, GET=DEVELOPER, POST=DEVELOPER),
    door("revoke_key", "dev/api/keys/<uuid:key_id>/revoke", keys.revoke, GET=DEVELOPER, POST=DEVELOPER),
    door("show_signing", "dev/api/signing-secret/show", signing.show, GET=OWNER, POST=OWNER),
    door("rotate_signing", "dev/api/signing-secret/rotate", signing.rotate, GET=OWNER, POST=OWNER),
    door("promote_signing", "dev/api/signing-secret/promote", signing.promote, GET=OWNER, POST=OWNER),
    door("withdraw_signing", "dev/api/signing-secret/withdraw", signing.withdraw, GET=OWNER, POST=OWNER),
    door("start_try", "dev/api/try", try_it.start, POST=DEVELOPER),
    door("try", "dev/api/try/<uuid:order_id>", try_it.follow, GET=DEVELOPER),
    # --- Settings
    door("settings", "portal/settings/", settings.show, GET=VIEWER),
    door("change_webhook_url", "portal/settings/webhook", settings.change_webhook_url, GET=OWNER, POST=OWNER),
    door("send_test_event", "portal/settings/test-event", settings.send_test_event, POST=DEVELOPER),
    door("change_returns", "portal/settings/returns", settings.change_returns, GET=OWNER, POST=OWNER),
    door("new_service", "portal/settings/service/new", service.create, GET=OWNER, POST=OWNER),
    door("edit_service", "portal/settings/service", service.edit, GET=OWNER, POST=OWNER),
    # --- Money and webhooks
    door("home", "portal/", overview.show, GET=VIEWER),
    door("payments", "portal/payments/", payments.show, GET=VIEWER),
    door("payment", "portal/payments/<uuid:order_id>/", payment.show, GET=VIEWER),
    door("refund", "portal/payments/<uuid:order_id>/refund/<uuid:payment_id>/", refund.ask, GET=OWNER, POST=OWNER),
    door("deliveries", "portal/deliveries/", deliveries.show, GET=VIEWER),
    door("replay_all", "portal/deliveries/replay/", deliveries.replay_all, GET=DEVELOPER, POST=DEVELOPER),
    door("delivery", "portal/deliveries/<uuid:delivery_id>/", deliveries.one, GET=VIEWER),
    door("replay", "portal/deliveries/<uuid:delivery_id>/replay/", deliveries.replay, GET=DEVELOPER, POST=DEVELOPER),
    door("doctor", "portal/doctor/", doctor.show, GET=DEVELOPER, POST=DEVELOPER),
    # --- The bar
    door("switch", "portal/switch", home.switch_provider, POST=SIGNED_IN),
    door("mode", "portal/mode", home.switch_mode, POST=SIGNED_IN),
]

urlpatterns = [url for entry in DOORS for url in entry.urls()]
