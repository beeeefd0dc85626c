from django.core.servers.basehttp import WSGIRequestHandler

from tests.asking import asking_lab, marketplace  # noqa: F401  (fixtures)
from tests.shop import shop  # noqa: F401  (fixture)

# Django's live server writes head and body of an answer apart; on a kept connection each would wait 40 ms for the
# other.
WSGIRequestHandler.disable_nagle_algorithm = True
