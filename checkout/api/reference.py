"""The OpenAPI schema, and a page made from it to read and to try every call.

Why not a ready-made viewer: see docs/adr/0010-own-api-page.md.
"""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings

from checkout.api.invoice import docs as invoice
from checkout.api.merchant_secret import docs as merchant_secret
from checkout.api.payment_token import shapes as payment_token
from checkout.api.processor import shapes as processor
from checkout.api.provider import docs
from checkout.models import Order

VERSION = "1.0.0"
_ABOUT = """Open an order or an invoice, send the buyer to the address in the answer, and hear by a signed webhook what
became of it.

Every answer is JSON and carries `X-Request-Id`. A refusal is `{"error": "<text>"}`, one of the Invoice API
`{"status": false, "code", "message", "data": {"details": […]}}`."""
_SETTINGS = {
    "TITLE": "DZTech Pay",
    "DESCRIPTION": _ABOUT,
    "VERSION": VERSION,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": Order.Status.choices,
        "RefundStatus": docs.REFUND_STATUSES,
        "InvoiceStatus": invoice.STATUSES,
        "PaymentTokenStatus": payment_token.STATUSES,
        "Mode": invoice.MODES,
        "ProcessorPaymentStatus": processor.STATUSES,
        "WatchStatus": merchant_secret.STATUSES,
        "PaymentProvider": invoice.PROCESSORS,
    },
}
_NAMES_IN_ADDRESSES = {
    "order_id": "orderId",
    "invoice_id": "invoiceId",
    "business_id": "businessId",
    "payment_token": "token",
}


@cache
def openapi() -> dict[str, Any]:
    """The schema, made once: it is the same for everybody and takes a while."""
    from checkout.api.urls import urlpatterns  # the addresses name this module

    served = [pattern for pattern in urlpatterns if pattern.name and pattern.name not in ("schema", "docs")]
    with patched_settings(_SETTINGS):
        generated = SchemaGenerator(patterns=served).get_schema(request=None, public=True)
    schema: dict[str, Any] = json.loads(json.dumps(generated))
    schema["paths"] = {_path_on_the_wire(path): calls for path, calls in schema["paths"].items()}
    for calls in schema["paths"].values():
        for call in calls.values():
            for parameter in call.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["name"] = _NAMES_IN_ADDRESSES.get(parameter["name"], parameter["name"])
    schema["components"]["securitySchemes"] = docs.SECURITY_SCHEMES
    schema["servers"] = [{"url": settings.BASE_URL}]
    return schema


def _path_on_the_wire(path: str) -> str:
    for name, on_the_wire in _NAMES_IN_ADDRESSES.items():
        path = path.replace(f"{{{name}}}", f"{{{on_the_wire}}}")
    return path


@cache
def _schema_text() -> str:
    return json.dumps(openapi(), indent=1)


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_schema_text(), content_type="application/json", headers={"Cache-Control": "max-age=300"})


# --- the page -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a call: `place` is path, query, header or body."""

    name: str
    place: str
    kind: str
    is_required: bool
    help: str
    choices: tuple[str, ...] = ()
    example: str = ""

    @property
    def place_name(self) -> str:
        return {"path": "in the address", "query": "after ?", "header": "header", "body": "body"}[self.place]

    @property
    def as_json(self) -> str:
        return self.example if self.kind in RAW_KINDS else json.dumps(self.example)

    @property
    def help_html(self) -> SafeString:
        return _code_marked(self.help)


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    tag: str
    method: str
    path: str
    summary: str
    description: str
    inputs: tuple[Input, ...]
    answers: tuple[tuple[str, str], ...]

    takes_body_key: bool
    takes_no_key: bool  # a secret in the body, or a code in the address, stands for it

    @property
    def description_html(self) -> SafeString:
        return _code_marked(self.description)

    @property
    def curl(self) -> str:
        """For readers without script; the script writes it anew with what is typed."""
        key = [] if self.takes_body_key or self.takes_no_key else ['  -H "x-api-key: $PROVIDER_API_KEY"']
        body = ['  -H "Content-Type: application/json"'] if self.method == "POST" else []
        if self.takes_body_key:
            body.append('  -d "{\\"apiKey\\": \\"$PROVIDER_API_KEY\\", \\"externalId\\": \\"ORDER-1001\\"}"')
        elif fields := [given for given in self.inputs if given.place == "body" and given.example]:
            content = ", ".join(f'"{given.name}": {given.as_json}' for given in fields)
            content = content.replace(json.dumps(_INVENTED), '"\'"$MERCHANT_SECRET"\'"')
            body.append(f"  -d '{{{content}}}'")
        verb = "" if self.method == "GET" else f" -X {self.method}"
        return " \\\n".join([f"curl -i{verb} {settings.BASE_URL}{self.path}", *key, *body])


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of one dialect."""

    name: str
    calls: tuple[Call, ...]

    @property
    def answers(self) -> list[tuple[str, SafeString]]:
        """What each status means: the same in all calls of a dialect, so it is said once."""
        told = dict(answer for call in reversed(self.calls) for answer in call.answers)
        return [(code, _code_marked(text)) for code, text in sorted(told.items())]


def _code_marked(text: str) -> SafeString:
    """`name` as code, all else as text."""
    parts = escape(text).split("`")
    return mark_safe("".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts)))  # noqa: S308  (escaped above)


RAW_KINDS = {"number", "integer", "boolean", "object", "array"}  # written into a body as they are typed
_PLACES = ["path", "query", "body", "header"]  # what one fills in first
_INVENTED = "merchant_test_…"
_EXAMPLES = {
    ("createPaymentIntent", "externalId"): "ORDER-1001",
    ("registerMerchant", "source"): "marketplace",
    ("registerMerchant", "businessId"): "biz_42",
    ("registerMerchant", "credentials"): '{"merchantId": "…", "key": "…"}',
    ("listBusinessProviders", "source"): "marketplace",
    ("listBusinessProviders", "businessId"): "sandbox",
    ("createInvoice", "source"): "marketplace",
    ("createInvoice", "businessId"): "sandbox",
    ("createInvoice", "sourceInvoiceId"): "order_1001",
    ("createInvoice", "amount"): "5000000",
    ("createStripeCheckout", "order_id"): "ORD123",
    ("createStripeCheckout", "amount"): "5000",
    ("createStripeCheckout", "currency"): "usd",
    ("createRazorpayCheckout", "order_id"): "order_rcptid_11",
    ("createRazorpayCheckout", "amount"): "50000",
    ("createRazorpayCheckout", "currency"): "INR",
    ("startPayment", "merchant_secret"): _INVENTED,
    ("startPayment", "amount"): "1000",
}
# The key is given once for the whole page.
_NOT_ASKED = {"apiKey"}
_SUCCESS = {"200": "Done", "202": "Accepted, not settled yet"}
_ORDER = [
    *("createPaymentIntent", "getOrder", "listOrders", "cancelOrder", "refundOrder"),
    *("listSupported", "registerMerchant", "listBusinessProviders"),
    *("createInvoice", "getInvoice", "listInvoices", "listInvoiceEvents", "cancelInvoice"),
    *("createRefund", "listRefunds"),
    *("createPaymentToken", "getPaymentToken"),
    *("createStripeCheckout", "getStripePayment", "captureStripePayment", "refundStripePayment"),
    *("createRazorpayCheckout", "verifyRazorpayPayment", "getRazorpayPayment"),
    *("captureRazorpayPayment", "refundRazorpayPayment"),
    *("startPayment", "watchPayment"),
]


@cache
def _groups() -> tuple[Group, ...]:
    calls = sorted(
        (
            _call(method.upper(), path, operation)
            for path, operations in openapi()["paths"].items()
            for method, operation in operations.items()
        ),
        key=lambda call: _ORDER.index(call.id),
    )
    return tuple(
        Group(tag, tuple(call for call in calls if call.tag == tag))
        for tag in dict.fromkeys(call.tag for call in calls)
    )


def _call(method: str, path: str, operation: dict[str, Any]) -> Call:
    inputs = [
        Input(
            name=parameter["name"],
            place=parameter["in"],
            kind=parameter["schema"].get("type", "string"),
            is_required=parameter.get("required", False),
            help=parameter.get("description", ""),
            choices=tuple(parameter["schema"].get("enum", ())),
            example=_EXAMPLES.get((operation["operationId"], parameter["name"]), ""),
        )
        for parameter in sorted(
            operation.get("parameters", []), key=lambda p: ["path", "query", "header"].index(p["in"])
        )
    ]
    body = operation.get("requestBody")
    takes_body_key = False
    if body:
        reference = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        shape = openapi()["components"]["schemas"][reference]
        takes_body_key = "apiKey" in shape["properties"]
        for name, field in shape["properties"].items():
            if name not in _NOT_ASKED:
                inputs.append(_body_input(operation["operationId"], name, field, name in shape.get("required", [])))
    answers = tuple(
        (code, answer.get("description") or _SUCCESS.get(code, "")) for code, answer in operation["responses"].items()
    )
    return Call(
        id=operation["operationId"],
        tag=operation["tags"][0],
        method=method,
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        inputs=tuple(sorted(inputs, key=lambda given: _PLACES.index(given.place))),
        answers=answers,
        takes_body_key=takes_body_key,
        takes_no_key=not operation.get("security"),
    )


def _body_input(operation: str, name: str, field: dict[str, Any], is_required: bool) -> Input:
    return Input(
        name=name,
        place="body",
        kind=field.get("type", "string"),
        is_required=is_required,
        help=field.get("description", ""),
        choices=_choices_in(field),
        example=_EXAMPLES.get((operation, name), ""),
    )


def _choices_in(field: dict[str, Any]) -> tuple[str, ...]:
    """The values of an enumeration, which the generator moves into components of their own."""
    parts = [field, *field.get("oneOf", ()), *field.get("allOf", ())]
    shapes = [openapi()["components"]["schemas"][part["$ref"].rpartition("/")[2]] for part in parts if "$ref" in part]
    return tuple(choice for shape in [field, *shapes] for choice in shape.get("enum", ()) if choice)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    html = render_to_string(
        "docs/page.html",
        {
            "groups": _groups(),
            "base_url": settings.BASE_URL,
            "is_demo": settings.DEMO,
            "support_email": settings.SUPPORT_EMAIL,
        },
        request,
    )
    return HttpResponse(html, headers={"Content-Language": "en"})
