"""Make the virtual environment and install into it; do nothing when that was done before.

    python scripts/install.py .venv requirements.txt [requirements-dev.txt]

Standard library only: this runs before anything is installed. It works with or without ensurepip, takes uv where
it can be had and pip otherwise, and follows pip's own configuration for the package index.
"""

import fcntl
import glob
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
WHEEL_PLACES = (
    "/usr/share/python-wheels",
    "/usr/lib/python3*/ensurepip/_bundled",
    "/usr/local/lib/python3*/ensurepip/_bundled",
    "/usr/lib/python3*/site-packages/ensurepip/_bundled",
    "/usr/lib/python3/dist-packages",
)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def stop(text: str) -> None:
    raise SystemExit(f"\n{text}")


def run(command: list[str], *, environment: dict[str, str] | None = None, quiet: bool = True) -> bool:
    """True when it worked; its output is shown only when it did not, unless it should be seen anyway."""
    done = subprocess.run(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    run.output = done.stdout or ""  # type: ignore[attr-defined]
    return done.returncode == 0


def last_output() -> str:
    return "\n".join(run.output.strip().splitlines()[-15:])  # type: ignore[attr-defined]


def stamp_of(requirements: list[Path]) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]} {platform.machine()}".encode())
    for path in [*requirements, CONSTRAINTS]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_venv(folder: Path) -> Path:
    """The environment's Python. One that does not run (its base Python is gone) is made anew."""
    python = folder / "bin" / "python"
    if python.exists() and run([str(python), "-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)"]):
        return python
    if folder.exists():
        shutil.rmtree(folder)
    say(f"Making {folder.name} with Python {platform.python_version()} …")
    if importlib.util.find_spec("ensurepip") and run([sys.executable, "-m", "venv", str(folder)]):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    if not run([sys.executable, "-m", "venv", "--without-pip", str(folder)]):
        stop(f"A virtual environment cannot be made here:\n{last_output()}")
    return python


def pip_of(python: Path) -> list[str]:
    """How to call pip for the environment, [] when there is none: its own, the system's, or one from a wheel."""
    own = [str(python), "-m", "pip"]
    if run([*own, "--version"]):
        return own
    for outside in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        found = shutil.which(outside[0])
        if found and run([found, *outside[1:], "--python", str(python), "--version"]):
            return [found, *outside[1:], "--python", str(python)]
    places = [*WHEEL_PLACES, *os.environ.get("PIP_FIND_LINKS", "").split()]
    wheels = [wheel for place in places for wheel in glob.glob(f"{place}/pip-*.whl")]
    for wheel in sorted(wheels, reverse=True):
        from_wheel = [str(python), f"{wheel}/pip"]
        if run([*from_wheel, "--version"]):
            return from_wheel
    return []


def uv_environment(pip: list[str]) -> dict[str, str]:
    """uv does not read pip's configuration: hand it the index, the certificates and the rest that it knows too."""
    environment = dict(os.environ)
    known = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "trusted-host": "UV_INSECURE_HOST",
        "cert": "SSL_CERT_FILE",
    }
    if pip and run([*pip, "config", "list"]):
        # Sections in order of weight: a later one overrides; `:env:` are the PIP_… variables.
        weight = {"global": 0, "install": 1, ":env:": 2}
        lines = [line for line in run.output.splitlines() if "=" in line]  # type: ignore[attr-defined]
        for line in sorted(lines, key=lambda line: weight.get(line.split(".")[0], -1)):
            name, _, value = line.partition("=")
            section, _, option = name.partition(".")
            if section in weight and option.lstrip(".") in known:
                value = " ".join(value.strip("'\"").replace("\\n", " ").split())
                variable = known[option.lstrip(".")]
                separator = "," if variable == "UV_FIND_LINKS" else " "
                environment[variable] = separator.join(value.split())
    # A package is taken from whichever index has the pinned version, as pip does.
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    environment["UV_NO_PROGRESS"] = "1"
    environment["UV_NO_CONFIG"] = "1"
    environment.setdefault("UV_LINK_MODE", "copy" if not os.environ.get("UV_CACHE_DIR") else "hardlink")
    return environment


def install(python: Path, requirements: list[Path]) -> None:
    pip = pip_of(python)
    files = [word for path in requirements for word in ("-r", str(path))] + ["-c", str(CONSTRAINTS)]
    if os.environ.get("USE_UV", "1") != "0":
        uv = shutil.which("uv", path=str(python.parent)) or shutil.which("uv")
        if uv is None and pip and run([*pip, "install", "--quiet", "uv", "-c", str(CONSTRAINTS)]):
            uv = shutil.which("uv", path=str(python.parent))
        if uv is not None:
            command = [uv, "pip", "install", "--quiet", "--python", str(python), *files]
            if run(command, environment=uv_environment(pip)):
                return
            say("uv could not install everything; pip tries next.")
    if not pip:
        stop(
            "pip is missing: install your system's package for it (Debian, Ubuntu: apt install python3-venv), "
            "or uv, and run this again."
        )
    if not run([*pip, "install", "--disable-pip-version-check", "--no-input", *files]):
        stop(f"The packages could not be installed (is a package index reachable?):\n{last_output()}")


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    requirements = [ROOT / name for name in sys.argv[2:]]
    (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
    with (ROOT / "var" / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once: the second waits, then finds the stamp
        python = make_venv(folder)
        stamps = {
            folder / f"installed-{requirements[count].stem}": stamp_of(requirements[: count + 1])
            for count in range(len(requirements))
        }
        if all(stamp.exists() and stamp.read_text() == wanted for stamp, wanted in stamps.items()):
            return
        started = time.monotonic()
        say(f"Installing {' and '.join(path.name for path in requirements)} …")
        install(python, requirements)
        for stamp, wanted in stamps.items():  # a larger set holds the smaller ones
            stamp.write_text(wanted)
        say(f"Installed in {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    if sys.platform == "win32":
        stop("This runs on Linux (or WSL).")
    try:
        main()
    except KeyboardInterrupt:
        stop("Stopped.")
