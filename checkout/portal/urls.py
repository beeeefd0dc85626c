"""The addresses of the portal, and who may do what there: the table that docs/portal.md repeats and a test compares.

Each line: name, route, view, and the least role for each method; what is not named is answered 405.
"""

from checkout.portal import deliveries, doctor, home, overview, payment, payments, refund, sign_in
from checkout.portal.access import ANYONE, DEVELOPER, OWNER, SIGNED_IN, VIEWER, Door, door

app_name = "portal"

DOORS: list[Door] = [
    # --- The way in
    door("sign_in", "portal/sign-in", sign_in.sign_in, GET=ANYONE, POST=ANYONE),
    door("second_factor", "portal/second-factor", sign_in.second_factor, GET=ANYONE, POST=ANYONE),
    door("sign_out", "portal/sign-out", sign_in.sign_out, POST=ANYONE),
    door("forgot", "portal/forgot", home.soon, GET=ANYONE),
    door("account", "portal/account", home.soon, GET=SIGNED_IN),
    door("people", "portal/people/", home.soon, GET=VIEWER),
    door("dev_api", "dev/api", home.soon, GET=VIEWER),
    door("invitation", "portal/join/<str:token>", home.soon, GET=ANYONE),
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
