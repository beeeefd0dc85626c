"""The floor under create-payment-intent: plain Django, a key check, three fields, one INSERT, JSON. No product code.

A module of its own, because it is served by processes of its own: `granian … benchmarks.floor:application`.
"""

import hashlib
import json
import os

import django
import environ
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

_database = environ.Env.db_url_config(os.environ["DATABASE_URL"])
if _database["ENGINE"].endswith("sqlite3"):  # as the product runs it
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
_database["CONN_MAX_AGE"] = None
settings.configure(
    SECRET_KEY="for the benchmark alone, for the benchmark alone",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": _database},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    LOGGING_CONFIG=None,
    USE_TZ=True,
)
django.setup()

from django.db import models  # noqa: E402  (only after the setup)


class FloorKey(models.Model):
    owner = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        app_label = "floor"

    def __str__(self) -> str:
        return self.owner


class FloorOrder(models.Model):
    key = models.ForeignKey(FloorKey, on_delete=models.CASCADE)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    external_id = models.CharField(max_length=128)
    status = models.CharField(max_length=16, default="created")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        app_label = "floor"

    def __str__(self) -> str:
        return self.external_id


@csrf_exempt
def create(request: HttpRequest) -> JsonResponse:
    body = json.loads(request.body)
    key = FloorKey.objects.filter(digest=hashlib.sha256(body["apiKey"].encode()).hexdigest()).first()
    if key is None:
        return JsonResponse({"error": "unauthorized"}, status=401)
    amount, external_id = body["amount"], body["externalId"]
    if not (isinstance(amount, int) and 0 < amount <= 10**12 and isinstance(external_id, str)):
        return JsonResponse({"error": "invalid"}, status=400)
    order = FloorOrder.objects.create(key=key, amount=amount * 100, currency="USD", external_id=external_id)
    answer = JsonResponse({"orderId": order.pk, "externalId": external_id, "amount": amount})
    answer["Content-Length"] = str(len(answer.content))  # or it goes out in chunks
    return answer


urlpatterns = [path("api/create-payment-intent", create)]
application = get_wsgi_application()
