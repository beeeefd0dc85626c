"""The addresses of the portal, and who may do what there: the table that docs/portal.md repeats and a test compares.

Each line: name, route, view, and the least role for each method; what is not named is answered 405.
"""

from checkout.portal import home, sign_in
from checkout.portal.access import ANYONE, SIGNED_IN, VIEWER, Door, door

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
    # --- The bar
    door("home", "portal/", home.show, GET=VIEWER),
    door("switch", "portal/switch", home.switch_provider, POST=SIGNED_IN),
    door("mode", "portal/mode", home.switch_mode, POST=SIGNED_IN),
]

urlpatterns = [url for entry in DOORS for url in entry.urls()]
