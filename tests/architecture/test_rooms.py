"""The house rules that a machine can hold: who imports whom, and who writes what."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.once
APPS = ("config", "gateway", "providers", "webhooks", "checkout")


def sources(*folders, but=()):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts and not any(str(path).endswith(name) for name in but):
                yield path, path.read_text()


def test_every_import_contract_is_kept():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run([sys.executable, "-c", code, "--no-logo"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_status_of_an_order_and_of_a_payment_is_written_behind_one_door():
    door = ("checkout/transitions.py", "checkout/refunds.py", "checkout/models.py")
    writes = re.compile(r"(?:order|payment)\.status\s*=[^=]|(?:Order|Payment)\.objects[^\n]*\.update\([^\n]*\bstatus=")
    ours = sources("config", "providers", "webhooks", "checkout", but=door)
    guilty = [str(path) for path, text in ours if writes.search(text)]
    assert guilty == []


def test_money_is_never_a_float_and_never_multiplied_by_a_hundred():
    careless = re.compile(
        r"(?:amount|price|minor|money)\w*\s*\*\s*100\b|float\([^)]*(?:amount|price|minor|money)|FloatField"
    )
    # The examiners send a hundred times too much on purpose: it is the mistake they look for.
    ours = [(path, text) for path, text in sources(*APPS) if "certify" not in path.parts]
    guilty = [str(path) for path, text in ours if careless.search(text)]
    assert guilty == []


def test_the_flow_of_business_uses_no_signals():
    signals = re.compile(r"@receiver\b|import [^\n]*\b(?:(?:pre|post)_(?:save|delete|init)|m2m_changed|Signal)\b")
    guilty = [str(path) for path, text in sources(*APPS) if signals.search(text)]
    assert guilty == []


def test_no_template_has_inline_style_or_script():
    inline = re.compile(r"\sstyle\s*=|\son\w+\s*=\s*[\"']|<style(?![^>]*nonce)|<script(?![^>]*\bsrc=)", re.IGNORECASE)
    folders = [ROOT / "templates" / name for name in ("site", "checkout", "staff", "docs", "portal")]
    guilty = [
        str(path)
        for folder in folders
        if folder.exists()
        for path in folder.rglob("*.html")
        if inline.search(re.sub(r"\{#.*?#\}|\{% comment.*?endcomment %\}", "", path.read_text(), flags=re.DOTALL))
    ]
    assert guilty == []


def test_no_page_loads_anything_from_elsewhere():
    foreign = re.compile(r"(?:src|href)\s*=\s*[\"'](?:https?:)?//(?!127\.0\.0\.1)", re.IGNORECASE)
    guilty = [str(path) for path in (ROOT / "templates").rglob("*.html") if foreign.search(path.read_text())]
    guilty += [
        str(path)
        for path in (ROOT / "static").rglob("*.css")
        if re.search(r"url\([\"']?(?:https?:)?//", path.read_text())
    ]
    assert guilty == []


def test_the_production_image_leaves_the_lab_out():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "gateway/simulators" in ignored
    assert "tests" in ignored
    assert "var" in ignored
