"""A page as a person reads it."""

import re
from html import unescape


def read(answer):
    """The answer, with the words of its main part in `.text`."""
    main = re.search(r"<main.*?</main>", answer.content.decode(), re.DOTALL)
    answer.text = " ".join(unescape(re.sub(r"<[^>]+>", " ", main[0])).split()) if main else ""
    answer.text = answer.text.replace(" .", ".")
    return answer
