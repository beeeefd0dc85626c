"""The ground that the other tests stand on."""

import socket
import subprocess
import sys

import pytest
from django.db import connection

from tests.conftest import ON_SQLITE, SocketIsShut


@pytest.mark.django_db
def test_tests_run_on_the_database_that_was_asked_for():
    assert connection.vendor == ("sqlite" if ON_SQLITE else "postgresql")


@pytest.mark.once
def test_a_test_that_reaches_for_the_network_fails_loudly():
    with pytest.raises(SocketIsShut):
        socket.create_connection(("192.0.2.1", 80), timeout=0.2)
    with pytest.raises(SocketIsShut):
        socket.getaddrinfo("shop.test", 80)


def test_a_child_process_sees_what_the_test_committed(child_environment):
    from django.contrib.auth.models import User

    User.objects.create(username="anna")
    script = "import django; django.setup(); from django.contrib.auth.models import User; print(User.objects.get())"
    run = subprocess.run([sys.executable, "-c", script], env=child_environment, capture_output=True, text=True)
    assert run.stdout.strip() == "anna", run.stderr
