"""What the tests of Secure Processor share: a shop with a key pair of its own, and callbacks signed by it."""

import base64
import json
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.adapter import AdapterConfig
from gateway.adapters.secure_processor import PROCESSOR
from gateway.money import Money
from gateway.types import Callback, Mode, PaymentRef, PaymentRequest

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SHOP_ID, SECRET_KEY = "361", "b8647b68898b084b"
REFERENCE = "5d5a8f0e-0000-4000-8000-000000000001"
TOKEN = "99e1333b03df0f21fe012fa297e253c04ca7c01b37baee1ff9cf5cc149a17316"
UID = "1-310b0da80b"

# The pair of the published vectors: its private half is nobody's.
VECTOR_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtIv4xcx1GrjbOHd4vAVtKRY3FYqK2Nr0lt8ColtwzNHj520+KXyoYdyvnAIQ9TfbBi44"
    "ldqRzWK/yV60hJTx90GWLWxhW8lpOLtNrn/5MyaRoTLU5BmVOZuVmjicg7iRAo/NQ3bpgwHrS6RoKO60PeeOG7YusVKNQ22j5IZV79tfP33qttC4"
    "1DjxFo82QfYWSBCEVt6r0DlE/bR/N6hboyQ2D6eP1cbF7+F6jb9kzG0Cq/ueTTVJoksBpulBUZCEMKnsFIcbz3HT/p+d8yY42XkCrPZBpo20UxRc"
    "BnLkKLvb+BDtFgbVYb8mxjhzOQLzC56u9+FMUrfbv7VujjK48wIDAQAB"
)
VECTOR_NESTED = (
    '{"transaction":{"uid":"1-310b0da80b","status":"successful","type":"payment","amount":1999,"currency":"EUR",'
    '"tracking_id":"pt_vector_1","test":true,"message":"Successfully processed"}}',
    "c+mtyYCsYqcpde5ISrNuN4QkkJJ5hh5EdyD9m5uOCEq0OKSjqsvrruXmAvGEQ3bIqHIbjXlLktS7EIvEwrjAMSPlkLnwH7HAsn5Ix8sQj0W7PxXY"
    "2RR+Ct2VkI4VjyDfJwdLsunvWLvb44ECxxCKxHne6Faa2QO+IhkyacBRx/9T7aLmhZj56SKR05EnJJyc/9nRaku8NsTIObDoPM7f1woVAF7FsHC+"
    "08xlPGp3Lo/E0hyMCzJq7/RYc7JrWWwXWOd6LD2S1+QcBHtmEoiNje1sVLe/aknOqb8IVhmlZj56yEyRvYR19NaZDQAF4epRiNceDqZXJkPiKUsF"
    "b20uTA==",
)
VECTOR_FLAT = (
    '{"payment_token_id":"paytok_123","status":"successful","uid":"gateway_uid","metadata":{"payment_token_id":'
    '"paytok_123","user_id":"user_1"}}',
    "JArmThD16qw5aXVe4ekdvjUNQGDx/dk9ts/DvsgsrCzfP/c0JuCLe+EiBW96i+NZADM9LYNGXVS7/ymF9tojQVw0VogYi2jBYVoJ3xFxUd4pRBTp"
    "vzf3CHtbAPYNyA4vQHVy+SXQOjOcfSfFFZhWQQWML5xsKaPoKAJYCq2LixGjIzQfxWwKM95Lh0nex0FJ+7RwzYnMZrMjYEl8zrUHnXlwrqrAGEFc"
    "HfWJ9jb7Qua7ekOnAePlRUJVLYfbkiGVbYWs5xdVxTNspRutBpUxuAeZKEDlYxiw+wyJ/cOkZpQgTyeK6Cek53VNzed/a5anAJrBc9YsvGcOgLGv"
    "k/WEfQ==",
)


def new_pair(bits=2048):
    """The private key, and its public half as the back office shows it."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return private, bare(private.public_key())


def bare(public):
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def pem_of(private):
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


PRIVATE, PUBLIC = new_pair()
OTHER_PRIVATE, OTHER_PUBLIC = new_pair()
CREDENTIALS = {"shopId": SHOP_ID, "secretKey": SECRET_KEY, "publicKey": PUBLIC}


def build(mode=Mode.TEST, base_url="http://127.0.0.1:9", *, credentials=None, previous=(), clock=None, **settings):
    config = AdapterConfig(mode, base_url, {**CREDENTIALS, **(credentials or {})}, tuple(previous), settings)
    return PROCESSOR.build(config, clock=clock) if clock else PROCESSOR.build(config)


def signature(body, key=PRIVATE):
    return base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


def basic(shop_id=SHOP_ID, secret=SECRET_KEY):
    return "Basic " + base64.b64encode(f"{shop_id}:{secret}".encode()).decode()


def callback(body, *, key=PRIVATE, **headers):
    """Signed as the real one does; `headers` replace, and None leaves one out."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": basic(), "content-signature": signature(raw, key), "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Callback(raw, {name: value for name, value in sent.items() if value is not None}, NOW)


def transaction(**changed):
    found = {
        "uid": UID,
        "status": "successful",
        "type": "payment",
        "amount": 1999,
        "currency": "EUR",
        "tracking_id": REFERENCE,
        "test": True,
        "message": "Successfully processed",
        **changed,
    }
    return {name: value for name, value in found.items() if value is not ...}


def checkout(**changed):
    order = {"amount": 1999, "currency": "EUR", "tracking_id": REFERENCE, "description": "Thing"}
    found = {
        "token": TOKEN,
        "shop_id": 361,
        "transaction_type": "payment",
        "status": None,
        "message": None,
        "finished": False,
        "expired": False,
        "test": True,
        "order": order,
        "gateway_response": None,
        **changed,
    }
    return {name: value for name, value in found.items() if value is not ...}


def request(**changed):
    wanted = {
        "reference": REFERENCE,
        "order_reference": "order-1",
        "money": Money(1999, "EUR"),
        "description": "Thing",
        "return_url": "https://pay.test/return?pt=pt_1",
        "callback_url": "https://pay.test/hook",
        "created_at": NOW,
    }
    return PaymentRequest(**{**wanted, **changed})


def payment(**changed):
    wanted = {
        "reference": REFERENCE,
        "processor_ref": TOKEN,
        "money": Money(1999, "EUR"),
        "created_at": NOW,
        "processor_data": {"checkout_path": "/ctp/api/checkouts"},
    }
    return PaymentRef(**{**wanted, **changed})
