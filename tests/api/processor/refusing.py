"""How these tests read a refusal."""

from checkout.models import Order, Payment


def refused(answer, status, code, text=None):
    """`text` is a part of what is said."""
    told = answer.json()
    assert (answer.status_code, told.get("code")) == (status, code), told
    assert isinstance(told["error"], str) and 0 < len(told["error"]) < 400
    assert text is None or text in told["error"], told["error"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    return told


def nothing_was_opened(lab, processor="stripe"):
    assert (Order.objects.count(), Payment.objects.count()) == (0, 0)
    operation = "checkout.sessions.create" if processor == "stripe" else "orders.create"
    rows = lab.control(f"/{processor}/requests", "GET")["requests"]
    assert [row for row in rows if row["operation"] == operation] == []
