"""What the signature doctor found, in sentences: what is wrong, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from webhooks import doctor
from webhooks.doctor import Change, Finding, Scheme, Slip

HEADERS = {Scheme.PAYMENT.value: "X-Payment-Signature", Scheme.STANDARD.value: "webhook-signature"}

_RAW = gettext_noop("Verify the raw bytes of the request before anything parses, decodes or logs them.")
_PASTE = gettext_noop("Copy it from the raw request, not from a viewer, or send it as a file.")
# code → (what is so, what to do)
_FINDINGS: dict[str, tuple[str, str]] = {
    "genuine": (
        gettext_noop("The request is ours, and nothing was changed on the way"),
        gettext_noop(
            "If your code refuses it, the fault is in your secret or in how you compute. Paste below what your code "
            "uses and what it gets, and we find the difference."
        ),
    ),
    "no_headers": (
        gettext_noop("There are no headers"),
        gettext_noop("Paste those of the request, one on a line, like “Name: value”."),
    ),
    "body_missing": (gettext_noop("There is no body"), gettext_noop("A signature covers the body: paste it too.")),
    "foreign_header": (
        gettext_noop("The header %(header)s is not ours"),
        gettext_noop("Our signatures come in X-Payment-Signature and in webhook-signature. Read one of these."),
    ),
    "only_kind": (
        gettext_noop("X-DZTech-Webhook is no signature"),
        gettext_noop(
            "It only says what kind of message this is. The signatures are in X-Payment-Signature and in "
            "webhook-signature. If they are missing in your logs, a proxy or your framework drops them."
        ),
    ),
    "no_signature": (
        gettext_noop("None of the headers is a signature of ours"),
        gettext_noop(
            "Look for X-Payment-Signature and webhook-signature. If they are missing, a proxy or your framework "
            "drops them, or somebody else sent this."
        ),
    ),
    "id_and_time_swapped": (
        gettext_noop("webhook-id and webhook-timestamp are in each other’s place"),
        gettext_noop("The signed text is: id, a dot, timestamp, a dot, body."),
    ),
    "signatures_swapped": (
        gettext_noop("X-Payment-Signature holds what belongs into webhook-signature"),
        gettext_noop("The two are computed in different ways: do not mix their headers."),
    ),
    "prefix_missing": (
        gettext_noop("%(header)s has lost its beginning “%(prefix)s”"),
        gettext_noop("Compare the whole value of the header, its beginning included."),
    ),
    "not_hex": (
        gettext_noop("X-Payment-Signature is not written in hex"),
        gettext_noop("It is sha256= and 64 letters and digits from 0 to f. Base64 belongs to webhook-signature."),
    ),
    "cut_short": (
        gettext_noop("%(header)s is cut off: it has %(has)s of %(wants)s characters"),
        gettext_noop("Look for a column or a log that is too short for it."),
    ),
    "upper_case": (
        gettext_noop("The signature is in capital letters"),
        gettext_noop("We send small ones. Whatever changed them breaks the comparison: compare what came in."),
    ),
    "plus_lost": (
        gettext_noop("Plus signs in webhook-signature became spaces"),
        gettext_noop("The header was decoded like a form or an address. Take it as it is."),
    ),
    "url_safe": (
        gettext_noop("webhook-signature was rewritten in another base64"),
        gettext_noop("We send the usual one with + and /, not the one for addresses with - and _."),
    ),
    "beside_missing": (
        gettext_noop("webhook-signature cannot be verified without %(header)s"),
        gettext_noop("Both webhook-id and webhook-timestamp are part of the signed text."),
    ),
    "milliseconds": (
        gettext_noop("The timestamp is in milliseconds"),
        gettext_noop("We send seconds. Sign and compare the text of the header as it came in."),
    ),
    "time_no_number": (
        gettext_noop("The timestamp is no number of seconds"),
        gettext_noop("Sign the text of the header as it came in, not a date made of it."),
    ),
    "in_future": (
        gettext_noop("The timestamp is %(minutes)s minutes ahead of our clock"),
        gettext_noop("We never send such a time: the header was changed, or it belongs to another system."),
    ),
    "too_old": (
        gettext_noop("The request was made %(minutes)s minutes ago"),
        gettext_noop(
            "That is all right for looking at it now. Code that verifies refuses what is more than five minutes away: "
            "if it did so at once, the clock of your server is wrong."
        ),
    ),
    "id_unknown": (
        gettext_noop("This webhook-id is none of yours"),
        gettext_noop(
            "It may be of another seller, of another installation, or written by hand. Without it we cannot compare "
            "the body with what was sent."
        ),
    ),
    "other_mode": (
        gettext_noop("This webhook belongs to the other mode: %(mode)s"),
        gettext_noop("Check that your test system does not receive live webhooks, and the other way round."),
    ),
    "body_same": (gettext_noop("The body is what we sent, to the byte"), ""),
    "rewritten": (
        gettext_noop("The body was parsed as JSON and written again"),
        gettext_noop(
            "It says the same, but has other bytes, and so another signature. Verify the raw body, before your "
            "framework parses it."
        ),
    ),
    "other_delivery": (
        gettext_noop("The body belongs to another webhook: %(message_id)s"),
        gettext_noop("Headers and body are of two requests. Take both from the same one."),
    ),
    "body_bom": (gettext_noop("There is a byte order mark before the body"), _RAW),
    "body_newline": (
        gettext_noop("There is a line end after the body"),
        gettext_noop("We send none. A tool or an editor has added it: sign the raw bytes of the request."),
    ),
    "body_line_breaks": (gettext_noop("Line ends in the body were changed"), _RAW),
    "body_space_around": (gettext_noop("There are spaces around the body"), _RAW),
    "body_charset": (
        gettext_noop("The body was read in another encoding"),
        gettext_noop("It is UTF-8. Sign the bytes, or decode and encode them as UTF-8."),
    ),
    "body_letters_lost": (
        gettext_noop("Letters of the body were lost in another encoding"),
        gettext_noop("It is UTF-8; some letters became question marks. Sign the raw bytes."),
    ),
    "body_html": (gettext_noop("The body was escaped for HTML"), _RAW),
    "body_quoted": (gettext_noop("The body is wrapped into a JSON text"), _RAW),
    "body_form": (gettext_noop("The body was read like a form"), _RAW),
    "body_fields": (
        gettext_noop("The body says something else than what we sent"),
        gettext_noop("Either it was changed on purpose, or it belongs to another request."),
    ),
    "body_cut": (gettext_noop("The body is cut off: it has %(has)s of %(wants)s bytes"), _PASTE),
    "body_empty": (gettext_noop("The body is empty"), _RAW),
    "body_other": (gettext_noop("The body is not what we sent"), _PASTE),
    "next_secret": (gettext_noop("Signed with your next secret"), ""),
    "house_secret": (
        gettext_noop("Signed with the secret of this installation, not with your own"),
        gettext_noop("It was sent before you had one. Sent again, it is signed with yours."),
    ),
    "other_id": (
        gettext_noop("Signature and body are ours, but the webhook-id is another: it was %(message_id)s"),
        gettext_noop("Sign the id of the same request."),
    ),
    "other_time": (
        gettext_noop("The signature is of try %(number)s, the timestamp of another one"),
        gettext_noop("Each try has its own timestamp and signature: take both from the same one."),
    ),
    "other_signature": (
        gettext_noop("%(header)s belongs to another webhook: %(message_id)s"),
        gettext_noop("Take headers and body from the same request."),
    ),
    "retired_secret": (
        gettext_noop("%(header)s was made with a secret that has been retired since"),
        gettext_noop("We sent it so. Send the webhook again: it is signed anew, with the secret of today."),
    ),
    "fits_nothing": (
        gettext_noop("%(header)s fits none of your secrets, whatever we try with the body"),
        gettext_noop(
            "It was changed on the way, made with an old secret, or made by somebody else. Do not trust this request."
        ),
    ),
    "yours_is_current": (gettext_noop("Your code has the right secret"), ""),
    "yours_is_next": (
        gettext_noop("Your code has the next secret already"),
        gettext_noop(
            "It fits webhook-signature now. X-Payment-Signature is made with the old one until you promote the new."
        ),
    ),
    "yours_is_house": (
        gettext_noop("Your code has the secret of this installation"),
        gettext_noop("It signs only for sellers without a secret of their own. If you have one, use that."),
    ),
    "yours_has_spaces": (
        gettext_noop("There are spaces, quotes or a line end around the secret of your code"),
        gettext_noop("They become part of the key. Look at how the variable is set."),
    ),
    "yours_has_no_prefix": (
        gettext_noop("The secret of your code has lost its whsec_"),
        gettext_noop(
            "For X-Payment-Signature the whole text is the key, whsec_ included. For webhook-signature the key is what "
            "follows it, base64-decoded."
        ),
    ),
    "yours_is_decoded": (
        gettext_noop("Your code has the decoded key, not the secret"),
        gettext_noop("That fits webhook-signature alone. For X-Payment-Signature the key is the text you were given."),
    ),
    "yours_is_a_key": (
        gettext_noop("This is an API key, not a signing secret"),
        gettext_noop("The signing secret begins with whsec_. If the key was pasted into other places too, rotate it."),
    ),
    "yours_is_old": (
        gettext_noop("This is none of your signing secrets of today"),
        gettext_noop("It was rotated since, or belongs to another seller or installation. Put today’s into your code."),
    ),
    "yours_is_unknown": (
        gettext_noop("This is no signing secret of ours"),
        gettext_noop("Ours begin with whsec_."),
    ),
    "computed_right": (
        gettext_noop("What your code computes is right for %(header)s"),
        gettext_noop("Compare it with that header, whole and as text."),
    ),
    "computed_wrong": (gettext_noop("Your code computes %(header)s otherwise"), ""),
    "computed_other_secret": (
        gettext_noop("Your code computes it with a secret that is none of yours today"),
        gettext_noop("Put today’s signing secret into your code."),
    ),
    "computed_house_secret": (
        gettext_noop("Your code computes it with the secret of this installation"),
        gettext_noop("You have a signing secret of your own: use that."),
    ),
    "computed_unknown": (
        gettext_noop("We could not find out how your code gets this value"),
        gettext_noop("Another secret is the most likely reason: paste the one that your code uses, too."),
    ),
}  # fmt: skip
_CHANGES = {
    Change.SPACES: gettext_noop("There are spaces after commas and colons."),
    Change.PRETTY: gettext_noop("It is on several lines."),
    Change.KEY_ORDER: gettext_noop("The fields are in another order."),
    Change.ESCAPED: gettext_noop("Letters are written as \\u0000 codes."),
    Change.SLASHES: gettext_noop("Slashes are written with a backslash."),
    Change.NUMBERS: gettext_noop("Numbers are written otherwise."),
    Change.REWRITTEN: gettext_noop("Its text is written otherwise."),
}
_SLIPS = {
    Slip.KEY_BARE: gettext_noop("The key is the secret without whsec_, as text."),
    Slip.KEY_TEXT: gettext_noop("The key is the secret’s text. It should be what follows whsec_, base64-decoded."),
    Slip.KEY_DECODED: gettext_noop("The key is base64-decoded. It should be the secret’s text, whsec_ included."),
    Slip.KEY_DECODED_WHOLE: gettext_noop("whsec_ was decoded with the rest. Cut it off first."),
    Slip.KEY_SPACE: gettext_noop("There is a space or a line end after the secret."),
    Slip.KEY_QUOTES: gettext_noop("There are quotes around the secret."),
    Slip.BODY_ONLY: gettext_noop("Only the body is signed. It should be: id, a dot, timestamp, a dot, body."),
    Slip.ID_AND_TIME: gettext_noop("Id and timestamp are signed, too. It should be the body alone."),
    Slip.NO_ID: gettext_noop("The webhook-id is missing in the signed text."),
    Slip.NO_TIME: gettext_noop("The timestamp is missing in the signed text."),
    Slip.SWAPPED: gettext_noop("The timestamp stands before the id. It should be: id, a dot, timestamp, a dot, body."),
    Slip.PARSED_BODY: gettext_noop("JSON that was parsed and written again is signed, not the raw body."),
    Slip.BODY_NEWLINE: gettext_noop("A line end is added to the body."),
    Slip.BODY_EMPTY: gettext_noop("An empty body is signed: something had read the request before."),
    Slip.SHA1: gettext_noop("The hash is SHA-1. It should be SHA-256."),
    Slip.SHA512: gettext_noop("The hash is SHA-512. It should be SHA-256."),
    Slip.PLAIN_HASH: gettext_noop("It is a plain hash of secret and body. It should be an HMAC."),
    Slip.BASE64: gettext_noop("It is written in base64. It should be hex."),
    Slip.HEX: gettext_noop("It is written in hex. It should be base64."),
    Slip.UPPER_CASE: gettext_noop("It is written in capital letters."),
    Slip.NO_PREFIX: gettext_noop("The beginning of the value is missing: sha256= or v1,"),
    Slip.HEX_IN_BASE64: gettext_noop("The hex text was written in base64. The bytes should be."),
}


@dataclass(frozen=True, slots=True)
class Said:
    """One finding as the page shows it."""

    tone: str
    title: str
    text: str
    points: list[str] = field(default_factory=list)


def said(findings: Iterable[Finding]) -> list[Said]:
    return [_said(finding) for finding in findings]


def _said(finding: Finding) -> Said:
    title, text = _FINDINGS[finding.code]
    names = {name: _name(name, value) for name, value in finding.facts.items()}
    if "scheme" in names:
        names["header"] = HEADERS[str(finding.facts["scheme"])]
    points = [_(_CHANGES[change]) for change in finding.facts.get("how", ())]
    points += [_(_SLIPS[slip]) for slip in finding.facts.get("slips", ())]
    points += [str(name) for name in finding.facts.get("fields", ())]
    return Said(tone=finding.tone, title=_(title) % names, text=_(text) if text else "", points=points)


def _name(name: str, value: Any) -> str:
    if name == "header":
        known = {doctor.PAYMENT: "X-Payment-Signature"}
        return known.get(str(value), str(value))
    if name == "mode":
        return _("test") if value == "test" else _("live")
    return str(value)
