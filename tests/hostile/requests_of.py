"""Requests that nobody should make, from one seed: each a true one of its processor, bent in one to three places.

Those with the right secret ask for what has to be refused anyway (a wrong amount, an unknown transaction), so that no
bend can turn one into a request that may move something. Those without it ask for what could be granted.
"""

import base64
import hashlib
import json
import random
import time
import uuid
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from tests.asking import CREDENTIALS

AMOUNT = 1_500_050
WRONG = AMOUNT + 100
BASIC_CASES = ("", "Basic", "Basic ", "Bearer x", "Basic !!!!", "Basic " + "A" * 9000, "Basic Og==", "Digest x=1")
STRANGE = [
    None, True, False, "", " ", "\t\n", "x", "x" * 300, "y" * 20_000, 0, -1, 1, 1.5, -0.0, 10**18, 2**63, 2**64,
    10**400, [], {}, [1, 2], {"a": {"b": [None]}}, "\x00", "a\x00b", "\ud800", "\u202e\u0000", "ключ", "𝕏" * 50, "🙂",
    "' OR '1'='1", "1; DROP TABLE checkout_order;--", "../../etc/passwd", "%00", "{{7*7}}", "${jndi:ldap://x}",
    "<script>alert(1)</script>", "0x10", "1e5", "NaN", "Infinity", "-Infinity", "１２３", "٣", "1_000", "+1",
    " 1", "1 ", "1500051", "15000.505", "15000,50", "1.50005E6", "00000000-0000-0000-0000-000000000000",
    "\r\nX-Evil: 1",
]  # fmt: skip
KINDS = [
    "application/json", "text/json; charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "text/plain", "application/xml", "application/json; charset=utf-16",
    "application/json; charset=nonsense", "", "x" * 300, "application/octet-stream", "*/*",
]  # fmt: skip
ENCODINGS = ["utf-16", "utf-32", "utf-7", "cp1251", "utf-8-sig", "cp037"]
METHODS = ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "OPTIONS"]


@dataclass(frozen=True)
class Request:
    """`is_true`: it carries the right secret."""

    slug: str
    path: str
    body: bytes
    kind: str
    headers: dict = field(default_factory=dict)
    method: str = "POST"
    is_true: bool = False


@dataclass(frozen=True)
class World:
    """What the requests are about: open and paid orders, a performed transaction, an account."""

    open: dict
    paid: dict
    accounts: dict


class Maker:
    def __init__(self, world, seed):
        self.world = world
        self.dice = random.Random(seed)
        self._time = int(time.time() * 1000)

    def requests(self, count):
        slugs = list(self.world.accounts)
        return (self.one(slugs[number % len(slugs)]) for number in range(count))

    def one(self, slug):
        is_true = self.dice.random() < 0.5
        made = getattr(self, slug)(is_true)
        for _ in range(self.dice.choice([0, 0, 0, 1, 1, 2])):
            made = self._bend_outside(made)
        return made

    # what the bends share

    def _bend(self, fields, times=None):
        """A copy with fields replaced, dropped, nested or added."""
        fields = dict(fields)
        for _ in range(self.dice.choice([1, 1, 1, 2, 3]) if times is None else times):
            if not fields:
                break
            name = self.dice.choice(sorted(fields, key=str))
            act = self.dice.random()
            if act < 0.7:
                fields[name] = self.dice.choice(STRANGE)
            elif act < 0.85:
                del fields[name]
            elif act < 0.92:
                fields[name] = {name: fields[name]}
            else:
                fields[self.dice.choice(["", "__proto__", "id", "\ud83d", "x" * 5000])] = fields[name]
        return fields

    def _json(self, content):
        text = json.dumps(content, ensure_ascii=self.dice.random() < 0.7)
        return text.encode("utf-8", "surrogatepass")

    def _bend_outside(self, made):
        act = self.dice.randrange(9)
        body = made.body
        if act == 0:
            cut = self.dice.randrange(len(body) + 1)
            return replace(made, body=body[:cut], is_true=made.is_true)
        if act == 1:
            where = self.dice.randrange(len(body) + 1)
            return replace(made, body=body[:where] + self.dice.randbytes(self.dice.randrange(1, 30)) + body[where:])
        if act == 2:
            return replace(made, kind=self.dice.choice(KINDS))
        if act == 3:
            return replace(made, method=self.dice.choice(METHODS))
        if act == 4:
            text = body.decode("utf-8", "replace")
            return replace(made, body=text.encode(self.dice.choice(ENCODINGS), "replace"))
        if act == 5:
            tail = self.dice.choice(["/", "?x=1", "?" + "a=b&" * 200, "/?%00", "?%ff"])
            return made if made.path.endswith("/") or "?" in made.path else replace(made, path=made.path + tail)
        if act == 6:
            deep = self.dice.choice(
                [b"[" * 40_000, b'{"a":' * 20_000, b"[" * 500 + b"]" * 500, b'"' * 999, b"9" * 9000]
            )
            return replace(made, body=deep)
        if act == 7:
            size = self.dice.choice([1, 70_000, 70_000, 525_000]) if self.dice.random() < 0.15 else 3_000
            return replace(made, body=body + b" " * size)
        more = self.dice.choice(
            [
                {"X-Forwarded-For": "' OR 1=1"},
                {"Content-Encoding": "gzip"},
                {"X-Request-Id": "\x01" * 300},
                {"X-HTTP-Method-Override": "GET"},
                {"Accept": "text/html"},
                {"Cookie": "csrftoken=x; sessionid=' OR 1"},
                {"Origin": "https://evil.test"},
                {"Accept-Language": "x" * 4000},
            ]
        )
        return replace(made, headers={**made.headers, **more})

    def _basic(self, right, is_true):
        if is_true:
            return {"Authorization": "Basic " + base64.b64encode(right.encode()).decode()}
        wrong = [right[:-1], right + " ", right.upper(), "Paycom:", ":" + right, "\ud800:x", "x" * 2000 + ":y", ":"]
        if self.dice.random() < 0.4:
            return {"Authorization": self.dice.choice(BASIC_CASES)}
        if self.dice.random() < 0.1:
            return {}
        text = self.dice.choice(wrong).encode("utf-8", "surrogatepass")
        return {"Authorization": "Basic " + base64.b64encode(text).decode()}

    def _path(self, slug, endpoint=""):
        middle = self.dice.choice(["", "", "", f"/{self.world.accounts[slug]}", f"/{uuid.UUID(int=7)}"])
        return f"/api/callbacks/{slug}{middle}" + (f"/{endpoint}" if endpoint else "")

    def _id(self):
        return f"{self.dice.getrandbits(96):024x}"

    # the processors

    def payme(self, is_true):
        order = self.world.open["payme"] if not is_true else self.dice.choice(list(self._orders("payme")))
        amount = WRONG if is_true else AMOUNT
        account = {"order_id": order}
        method, params = self.dice.choice(
            [
                ("CheckPerformTransaction", {"amount": amount, "account": account}),
                ("CreateTransaction", {"id": self._id(), "time": self._time, "amount": amount, "account": account}),
                ("PerformTransaction", {"id": self._id()}),
                ("CancelTransaction", {"id": self._id(), "reason": 5}),
                ("CheckTransaction", {"id": self._id()}),
                ("GetStatement", {"from": 0, "to": 2_000_000_000_000}),
                ("SetFiscalData", {"id": self._id(), "type": "PERFORM", "fiscal_data": {"receipt_id": 1}}),
                ("ChangePassword", {"password": "new"}),
                ("NoSuchMethod", {}),
            ]
        )  # fmt: skip
        act = self.dice.random()
        if act < 0.55:
            params = self._bend(params)
        elif act < 0.65 and "account" in params:
            params = {**params, "account": self._bend(params["account"])}
        body = {"jsonrpc": "2.0", "id": self.dice.randrange(10**6), "method": method, "params": params}
        if self.dice.random() < 0.25:
            body = self._bend(body)
        headers = self._basic(f"Paycom:{CREDENTIALS['payme']['key']}", is_true)
        return Request("payme", self._path("payme"), self._json(body), "text/json", headers, is_true=is_true)

    def uzum(self, is_true):
        order = self.world.open["uzum"] if not is_true else self.dice.choice(list(self._orders("uzum")))
        endpoint = self.dice.choice(["check", "create", "confirm", "reverse", "status"])
        fields = {"serviceId": int(CREDENTIALS["uzum"]["serviceId"]), "timestamp": 1_735_787_045_000}
        if endpoint in ("check", "create"):
            fields["params"] = {self.dice.choice(["order_id", "account"]): order}
        if endpoint != "check":
            fields["transId"] = str(uuid.UUID(int=self.dice.getrandbits(128)))
        if endpoint == "create":
            fields["amount"] = WRONG if is_true else AMOUNT
        if endpoint == "confirm":
            fields |= {"paymentSource": "HUMO", "phone": "998901234567", "cardType": 2, "tariff": None}
        if self.dice.random() < 0.7:
            fields = self._bend(fields)
        right = f"{CREDENTIALS['uzum']['login']}:{CREDENTIALS['uzum']['password']}"
        headers = self._basic(right, is_true)
        path = self._path("uzum", endpoint)
        return Request("uzum", path, self._json(fields), "application/json", headers, is_true=is_true)

    def click(self, is_true):
        order = self.world.open["click"] if not is_true else self.dice.choice(list(self._orders("click")))
        action = self.dice.choice(["0", "1", "1", "2", "-1"])
        number = str(self.dice.randrange(1, 10**15))
        fields = {
            "click_trans_id": number, "service_id": CREDENTIALS["click"]["serviceId"], "click_paydoc_id": number,
            "merchant_trans_id": order, "amount": "15001.50" if is_true else "15000.50", "action": action,
            "error": self.dice.choice(["0", "0", "-5017"]), "error_note": "Ok", "sign_time": "2026-05-12 15:01:23",
        }  # fmt: skip
        if action == "1":
            fields["merchant_prepare_id"] = self.dice.choice(["999999999", "1", "2", "3"])
        if self.dice.random() < 0.7:
            fields = self._bend(fields)
        names = ("click_trans_id", "service_id", "", "merchant_trans_id", "merchant_prepare_id", "amount", "action")
        secret = CREDENTIALS["click"]["secretKey"]
        signed = "".join(secret if not name else str(fields.get(name, "")) for name in (*names, "sign_time"))
        sign = hashlib.md5(signed.encode("utf-8", "surrogatepass")).hexdigest()
        if not is_true:
            sign = self.dice.choice(
                [sign[::-1], sign[:-1], sign + "0", "", "0" * 32, "z" * 32, sign + "\x00", "f" * 999]
            )
        fields.setdefault("sign_string", sign)
        path = self._path("click", self.dice.choice(["", "prepare", "complete"]))
        if self.dice.random() < 0.3:
            return Request("click", path, self._json(fields), "application/json", is_true=is_true)
        pairs = {str(name): str(value) for name, value in fields.items()}
        body = urlencode({n.encode("utf-8", "replace"): v.encode("utf-8", "replace") for n, v in pairs.items()})
        return Request("click", path, body.encode(), "application/x-www-form-urlencoded", is_true=is_true)

    def multicard(self, is_true):
        order = self.world.open["multicard"] if not is_true else self.dice.choice(list(self._orders("multicard")))
        amount = WRONG if is_true else AMOUNT
        fields = {
            "store_id": 6, "amount": amount, "invoice_id": order, "billing_id": None,
            "payment_time": "2026-05-12 15:01:23", "phone": "998901234567", "card_pan": "860030******5959",
            "ps": "uzcard", "card_token": "t", "uuid": str(uuid.UUID(int=self.dice.getrandbits(128))),
            "receipt_url": "https://receipt.test/1",
        }  # fmt: skip
        # A webhook is believed only as far as Multicard itself confirms it, so only forged ones are hostile.
        if not is_true and self.dice.random() < 0.4:
            fields["status"] = self.dice.choice(["draft", "success", "error", "revert", "x", 1, None, ""])
        if self.dice.random() < 0.7:
            fields = self._bend(fields)
            if is_true:
                fields.pop("status", None)
        secret = CREDENTIALS["multicard"]["secret"]
        signed = f"{fields.get('store_id')}{fields.get('invoice_id')}{fields.get('amount')}{secret}"
        sign = hashlib.md5(signed.encode("utf-8", "surrogatepass")).hexdigest()
        if not is_true:
            sign = self.dice.choice(
                [sign[::-1], sign[:-1], "", None, 0, [sign], "0" * 32, hashlib.sha1(b"x").hexdigest()]
            )
        body = self._json({**fields, "sign": sign})
        return Request("multicard", self._path("multicard"), body, "application/json", is_true=is_true)

    def _orders(self, slug):
        return [self.world.open[slug], self.world.paid[slug], str(uuid.UUID(int=9)), "nothing"]
