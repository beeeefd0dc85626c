"""Why a try was refused, and what the buyer can do: by the bank's two digits (ISO 8583), else by the message's words.

Source: docs/processors/secure-processor.md. The vendor's codes (F.1000 and the like) are kept for staff; which code
means what is not published.
"""

import re

from gateway.types import DeclineAdvice

# Reasons that a thief should not learn (lost, stolen, fraud) read like any other refusal of the bank.
BANK_CODES = {
    "01": DeclineAdvice.CALL_BANK,
    "02": DeclineAdvice.CALL_BANK,
    "04": DeclineAdvice.CALL_BANK,
    "05": DeclineAdvice.CALL_BANK,
    "07": DeclineAdvice.CALL_BANK,
    "14": DeclineAdvice.OTHER_METHOD,
    "15": DeclineAdvice.OTHER_METHOD,
    "17": DeclineAdvice.CANCELLED_BY_BUYER,
    "33": DeclineAdvice.OTHER_METHOD,
    "34": DeclineAdvice.CALL_BANK,
    "36": DeclineAdvice.CALL_BANK,
    "41": DeclineAdvice.CALL_BANK,
    "43": DeclineAdvice.CALL_BANK,
    "51": DeclineAdvice.NOT_ENOUGH_MONEY,
    "54": DeclineAdvice.OTHER_METHOD,
    "57": DeclineAdvice.CALL_BANK,
    "58": DeclineAdvice.OTHER_METHOD,
    "59": DeclineAdvice.CALL_BANK,
    "61": DeclineAdvice.NOT_ENOUGH_MONEY,
    "62": DeclineAdvice.CALL_BANK,
    "63": DeclineAdvice.CALL_BANK,
    "65": DeclineAdvice.NOT_ENOUGH_MONEY,
    "68": DeclineAdvice.TIMED_OUT,
    "75": DeclineAdvice.CALL_BANK,
    "78": DeclineAdvice.CALL_BANK,
    "91": DeclineAdvice.TRY_AGAIN,
    "96": DeclineAdvice.TRY_AGAIN,
}
# The first that fits.
WORDS: tuple[tuple[re.Pattern[str], DeclineAdvice], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (r"insufficient|not enough|exceeds? .*limit|limit exceed|over.?limit", DeclineAdvice.NOT_ENOUGH_MONEY),
        (r"cancell?ed|closed by (the )?(customer|user|buyer)", DeclineAdvice.CANCELLED_BY_BUYER),
        (r"time.?out|timed out|session (has )?expired|too late", DeclineAdvice.TIMED_OUT),
        (r"expired card|card (has |is )?expired", DeclineAdvice.OTHER_METHOD),
        (
            r"not (supported|allowed|enabled|permitted)|invalid card|card number|no such (card|issuer)",
            DeclineAdvice.OTHER_METHOD,
        ),
        (
            r"do not hono|stolen|lost card|pick.?up|fraud|restricted|blocked|black.?list|issuer|declined",
            DeclineAdvice.CALL_BANK,
        ),
    )
)


def advice_for(*, bank_code: str, message: str) -> DeclineAdvice:
    """Without anything we know the buyer may try again."""
    code = bank_code.strip()
    if found := BANK_CODES.get(code.zfill(2) if code.isdigit() else code):
        return found
    return next((advice for pattern, advice in WORDS if pattern.search(message)), DeclineAdvice.TRY_AGAIN)
