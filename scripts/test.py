"""Run the suite on PostgreSQL, then on SQLite, and end with one line that sums both up.

    python scripts/test.py [pytest's arguments]

The second run leaves out what does not depend on the database (marks `browser`, `once`, `postgres`).
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUMMARY = re.compile(r"(\d+) (passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?|rerun)\b")
FAILURES, NO_TESTS = 1, 5
NO_BROWSER = "browser tests: no Chromium found"


def run(database: str, arguments: list[str]) -> tuple[int, Counter[str], bool]:
    """Exit code, what pytest counted, and whether browser tests were skipped for want of a browser."""
    print(f"\n### {database}", flush=True)  # noqa: T201
    environment = {**os.environ, "TEST_DATABASE": "sqlite" if database == "SQLite" else "postgres"}
    if database == "SQLite":
        environment["TEST_SECOND_RUN"] = "1"
    command = [sys.executable, "-m", "pytest", "-n", os.environ.get("TEST_PROCESSES", "auto"), *arguments]
    last, lacks_browser = "", False
    with subprocess.Popen(  # noqa: S603
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)  # noqa: T201
            lacks_browser |= NO_BROWSER in line
            if re.search(r"\d+ (passed|failed|error|skipped|deselected).* in [\d.]+s", line):
                last = line
    counted = Counter({word.rstrip("s") if word != "passed" else word: int(n) for n, word in SUMMARY.findall(last)})
    return process.returncode, counted, lacks_browser


def main() -> None:
    started = time.monotonic()
    codes, total, lacks_browser = [], Counter[str](), False
    broken = []
    for database in ("PostgreSQL", "SQLite"):
        code, counted, lacks = run(database, sys.argv[1:])
        codes.append(code)
        if code not in (0, FAILURES, NO_TESTS):
            broken.append(database)
        total += counted
        lacks_browser |= lacks
    total["error"] += len(broken)  # a run that broke off must not look like a small one that passed
    words = [f"{total[word]} {word}" for word in ("failed", "passed", "skipped", "xfailed", "error") if total[word]]
    note = ", browser tests skipped: no Chromium found here" if lacks_browser else ""
    if broken:
        note += f"; the run on {' and '.join(broken)} broke off"
    seconds = time.monotonic() - started
    print(f"\n======== {', '.join(words) or 'no tests ran'} in {seconds:.2f}s{note} ========", flush=True)  # noqa: T201
    if all(code == NO_TESTS for code in codes):
        sys.exit(NO_TESTS)
    sys.exit(max(0 if code == NO_TESTS else code for code in codes))


if __name__ == "__main__":
    main()
