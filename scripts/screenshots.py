"""Pictures of every buyer's page: `python scripts/screenshots.py [folder]`, by default var/screenshots.

Each state × phone, desktop and 320 pixels × light and dark × uz, ru and en, and once with text of 200 %. They are
taken by the tests that check the same pages, so that a picture never shows a state that cannot happen. Further
options go to pytest: `-k paid` for one state.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    given = sys.argv[1:]
    folder = Path(given.pop(0)) if given and not given[0].startswith("-") else ROOT / "var" / "screenshots"
    environment = {"TEST_DATABASE": "sqlite", **os.environ, "SCREENSHOTS": str(folder.resolve())}
    command = [sys.executable, "-m", "pytest", "-q", "--show-capture=no", "tests/browser/test_every_state.py", *given]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - our own words
    sys.stdout.write(f"{len(list(folder.glob('*.png')))} pictures in {folder}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
