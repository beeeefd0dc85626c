"""axe-core, the accessibility checker: half a megabyte that only these tests need, so it is fetched and not kept here.

AXE_CORE names a file; else the copy under var/ is taken, else npm fetches the pinned version into it.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

VERSION = "4.14.1"
KEPT = Path(__file__).resolve().parents[2] / "var" / f"axe-{VERSION}.min.js"


@cache
def _source():
    if given := os.environ.get("AXE_CORE"):
        return Path(given).read_text()
    if KEPT.exists():
        return KEPT.read_text()
    npm = shutil.which("npm")
    if npm is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", f"axe-core@{VERSION}", "--silent"], cwd=folder, capture_output=True, timeout=60
        )
        packed = next(Path(folder).glob("*.tgz"), None)
        if done.returncode or packed is None:
            return None
        with tarfile.open(packed) as archive:
            source = archive.extractfile("package/axe.min.js").read().decode()
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(source)
    return source


def findings(page):
    """["rule: element", …] of what axe has to say about the page as it is now."""
    source = _source()
    if source is None:
        pytest.skip("axe-core is not here and npm cannot fetch it; AXE_CORE may name a copy")
    page.evaluate(source)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found["violations"] for node in rule["nodes"]]
