"""`.env.example` is the list of variables; nothing is read that it does not explain."""

import re

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.once

READ = re.compile(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"')


def explained():
    names, sentence = {}, ""
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.startswith("# "):
            sentence = line if not line.startswith("# ---") else ""
        elif found := re.match(r"#?([A-Z_]+)=", line):  # behind a # where most leave it out
            names[found[1]] = sentence
    return names


def test_every_variable_that_is_read_is_explained_and_every_one_explained_is_read():
    read = set(READ.findall((ROOT / "config" / "settings.py").read_text()))
    assert read == set(explained())


def test_every_variable_has_a_sentence():
    assert [name for name, sentence in explained().items() if not sentence] == []


def test_nothing_secret_has_a_value_there():
    for line in (ROOT / ".env.example").read_text().splitlines():
        if re.match(r"#?(SECRET_KEY|FIELD_ENCRYPTION_KEYS|\w*SECRET\w*)=", line):
            assert line.endswith("=")


def test_other_modules_read_settings_not_the_environment():
    allowed = {"config", "scripts", "tests", "benchmarks", "management", "gateway"}
    for path in ROOT.rglob("*.py"):
        parts = set(path.relative_to(ROOT).parts)
        if (
            path.name == "manage.py"
            or parts & allowed
            or any(part.startswith(".") for part in path.relative_to(ROOT).parts)
        ):
            continue
        assert "os.environ" not in path.read_text(), path
