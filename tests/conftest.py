"""What every test stands on: the environment, a real database, real servers, and shut sockets.

PostgreSQL is the default; TEST_DATABASE=sqlite takes a SQLite file. With pytest-xdist the controller starts one
PostgreSQL server for all workers, each of which has its own database in it.
"""

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import django
import pytest
from django.conf import settings

from tests.lab import _running_lab, lab  # noqa: F401  (fixtures)
from tests.servers import Postgres, Redis, die_with_parent

ROOT = Path(__file__).resolve().parent.parent
ON_SQLITE = os.environ.get("TEST_DATABASE", "postgres") == "sqlite"
IS_XDIST_WORKER = "PYTEST_XDIST_WORKER" in os.environ
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "ENV_FILE": "",  # a developer's .env has no say in tests
    "DEMO": "1",
    "DEBUG": "0",
    "SECRET_KEY": "tests-only-tests-only-tests-only-tests-only-tests-only-0123456789",
    "FIELD_ENCRYPTION_KEYS": "test:" + base64.b64encode(b"thirty-two bytes for tests only!").decode(),
    "BASE_URL": "http://127.0.0.1:8000",
    "WEBHOOK_SIGNING_SECRET": "whsec_" + base64.b64encode(b"house secret for tests!!").decode(),
    "LAB_URL": "http://127.0.0.1:8001",
    "SUPPORT_EMAIL": "help@pay.test",
    "CELERY_BROKER_URL": "memory://",  # kicks go nowhere; tests of delivery ask for the fixture `broker`
    "CACHE_URL": "locmemcache://",
}


def _prepare() -> Postgres | None:
    """Set the environment before Django reads it; the controller starts the server, its workers inherit it."""
    server = None
    if settings.configured and not IS_XDIST_WORKER:  # a worker inherits the environment that was prepared here
        raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: tests/conftest.py prepares the environment first.")
    for name in [
        name for name in os.environ if name.startswith(("STRIPE_", "WEBHOOK_", "CELERY_", "DATABASE_CONN", "EMAIL_"))
    ]:
        del os.environ[name]
    os.environ.update(ENVIRONMENT)
    if ON_SQLITE:
        os.environ["DATABASE_URL"] = f"sqlite:///{tempfile.gettempdir()}/never-used.sqlite3"
    elif not IS_XDIST_WORKER:
        server = Postgres()
        os.environ["DATABASE_URL"] = server.url("pay")
    assert django and settings.DATABASES  # loads them, so that pytest-django knows that there are settings
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # slow hashing is not under test
    return server


_server = _prepare()


def pytest_unconfigure(config):
    if _server is not None:
        _server.stop()


def pytest_report_header(config):
    return f"database: {'SQLite' if ON_SQLITE else 'PostgreSQL'}"


# --- Which tests run -----------------------------------------------------------------------------------------------
def find_chromium() -> str | None:
    """The browser's program; CHROMIUM names another."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(config, items):
    if os.environ.get("TEST_SECOND_RUN"):  # `make test` runs the suite on both databases; these need only one
        left_out = [item for item in items if any(map(item.get_closest_marker, ("browser", "once", "postgres")))]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    lacks_browser = find_chromium() is None and not os.environ.get("CI")
    for item in items:
        if ON_SQLITE and item.get_closest_marker("postgres"):
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL"))
        if lacks_browser and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="browser tests: no Chromium found"))


@pytest.fixture(scope="session")
def chromium_path():
    """Where Chromium is. In CI a missing browser is a failure, never a skip."""
    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium found (install Debian's chromium, or set CHROMIUM)")
    return path


# --- Sockets -------------------------------------------------------------------------------------------------------
class SocketIsShut(RuntimeError):
    """A test reached for the network. Not an OSError: code that expects refused connections must not hide it."""


def _shut(event, args):
    if event == "socket.connect":
        connecting, address = args
        if connecting.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise SocketIsShut(f"connect to {address}")
    elif event == "socket.getaddrinfo" and args[0] not in (None, "") and not _is_literal_or_local(args[0]):
        raise SocketIsShut(f"look up {args[0]}")


def _is_loopback(host) -> bool:
    return host in ("localhost", "::1", "::ffff:127.0.0.1") or str(host).startswith("127.")


def _is_literal_or_local(host) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host)
    return text == "localhost" or text == socket.gethostname() or ":" in text or text.replace(".", "").isdigit()


sys.addaudithook(_shut)  # below every library: whoever opens a socket in this process


# --- Database ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """On SQLite a file, as in the demo: a database in memory cannot be shared by threads and processes."""
    if ON_SQLITE:
        from django.db import connections

        config = connections["default"].settings_dict
        config["TEST"]["NAME"] = str(tmp_path_factory.mktemp("sqlite") / "test.sqlite3")
        init = config["OPTIONS"]["init_command"]
        config["OPTIONS"]["init_command"] = init.replace("synchronous=FULL", "synchronous=OFF")


@pytest.fixture
def database_url(transactional_db):
    """The address of this test's database, for child processes (they see what is committed)."""
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    if ON_SQLITE:
        return f"sqlite:///{name}"
    return f"postgres://postgres@/{quote(connection.settings_dict['HOST'], safe='')}/{name}"


@pytest.fixture(scope="session", autouse=True)
def _empty_quickly():
    """After a test that commits: tests/emptying.py instead of Django's flush, at a tenth of its cost."""
    from django.test import TransactionTestCase

    from tests.emptying import empty

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: empty())
        yield


@pytest.fixture(autouse=True)
def _empty_cache():
    """Rate limits and cached capabilities of one test are not those of the next."""
    from django.core.cache import cache

    cache.clear()


# --- Servers and child processes -----------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def redis_server():
    """One Redis for a test process; ask for `broker` in tests."""
    server = Redis()
    yield server
    server.close()


@pytest.fixture
def broker(redis_server, settings):
    """A real, empty broker and shared cache; Celery of this process publishes to it too."""
    from config.celery import app

    if redis_server.process.poll() is not None:
        redis_server.start()
    client = _redis_client(redis_server)
    client.flushall()
    before = app.conf.broker_url, app.conf.broker_write_url, app.conf.broker_read_url
    _point_celery_at(app, redis_server.broker_url)
    settings.CELERY_BROKER_URL = redis_server.broker_url
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"unix://{redis_server.socket}?db=1",
        }
    }
    yield redis_server
    _point_celery_at(app, before[0])
    client.close()


def _redis_client(server):
    import redis

    return redis.Redis(unix_socket_path=str(server.socket))


def _point_celery_at(app, url):
    app.conf.broker_url = app.conf.broker_write_url = app.conf.broker_read_url = url
    if app.pool is not None:
        app.pool.force_close_all()
    app._pool = None
    if "amqp" in app.__dict__:
        app.amqp._producer_pool = None


@pytest.fixture
def child_environment(database_url, broker, settings):
    """The environment of processes that work on this test's database and broker."""
    return {
        **os.environ,
        **ENVIRONMENT,
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": broker.broker_url,
        "CACHE_URL": broker.cache_url,
        "BASE_URL": settings.BASE_URL,
        "LAB_URL": settings.LAB_URL,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }


class Child:
    """A process of a test, its output in a file."""

    def __init__(self, command, *, environment, log: Path):
        self.log = log
        self.command = [str(word) for word in command]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, timeout: float = 30):
        end = time.monotonic() + timeout
        while text not in self.output:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self.command} never said {text!r}:\n{self.output[-4000:]}")
            time.sleep(0.05)

    def stop(self, timeout: float = 15):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """kill -9 of the process and all that it started."""
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()


@pytest.fixture
def spawn(tmp_path):
    """spawn(command, environment=…) → Child; all are gone when the test ends."""
    children = []

    def start(command, *, environment=None):
        log = tmp_path / f"child-{len(children)}.log"
        children.append(Child(command, environment=environment or os.environ, log=log))
        return children[-1]

    yield start
    for child in reversed(children):
        child.stop()
        child.kill()


@pytest.fixture
def worker(spawn, child_environment):
    """worker() → a Celery worker with beat on this test's database and broker, ready. Call again for another."""
    count = 0

    def start(*options):
        nonlocal count
        count += 1
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel=INFO"]
        beat = ["--beat", "--schedule", str(Path(child_environment["HOME_OF_BEAT"]) / "beat")] if count == 1 else []
        child = spawn([*command, "-n", f"w{count}@test", *beat, *options], environment=child_environment)
        child.wait_for("ready.")
        return child

    child_environment["HOME_OF_BEAT"] = tempfile.mkdtemp(prefix="pay-beat-", dir="/tmp")
    yield start
    shutil.rmtree(child_environment["HOME_OF_BEAT"], ignore_errors=True)
