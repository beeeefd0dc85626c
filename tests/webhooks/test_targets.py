"""Where webhooks may go. Everything that is not a public address is refused, however it is written or resolved."""

import socket
from datetime import datetime

import pytest

from tests.webhooks.helpers import fresh, run
from webhooks import options, targets
from webhooks.models import Attempt, Delivery
from webhooks.sender import Sender

State = Delivery.State

REFUSED_ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # a metadata service
    "100.127.255.255",
    "127.0.0.1",
    "127.8.9.1",
    "168.63.129.16",  # a metadata service
    "169.254.1.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",  # a metadata service
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:10.0.0.1",  # IPv4-translated
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:1::c0a8:1",
    "100::1",  # discard only
    "2001::1",  # Teredo
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4
    "2002:0a00:1::1",
    "2002:808:808::1",
    "2a00::5efe:10.0.0.1",  # ISATAP
    "2a00::200:5efe:192.168.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # a metadata service
    "fd20:ce::254",  # a metadata service
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2606:4700::1111%eth0",
    "not an address",
]
PUBLIC_ADDRESSES = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "192.167.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.fixture
def production(settings):
    settings.DEMO = False


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_what_is_no_public_address_is_refused(address, production):
    assert targets.problem_with_address(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses_are_allowed(address, production):
    assert targets.problem_with_address(address) == ""


def test_loopback_is_allowed_in_the_demo_and_nowhere_else(settings):
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        settings.DEMO = True
        assert targets.problem_with_address(address) == ""
        settings.DEMO = False
        settings.WEBHOOK_ALLOWED_NETWORKS = ["0.0.0.0/0", "::/0"]
        assert targets.problem_with_address(address)


def test_the_operator_can_allow_networks(production, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["10.20.0.0/16", "fd12::/16"]
    assert targets.problem_with_address("10.20.3.4") == ""
    assert targets.problem_with_address("::ffff:10.20.3.4") == ""
    assert targets.problem_with_address("fd12::1") == ""
    assert targets.problem_with_address("10.21.0.1")
    assert targets.problem_with_address("fd13::1")


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "2002:a9fe:a9fe::1",
    ],
)
def test_link_local_and_metadata_are_refused_even_when_every_network_is_allowed(address, production, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["0.0.0.0/0", "::/0"]
    assert targets.problem_with_address(address)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "010.0.0.1",
        "8.8.8.010",
        "134744072",  # 8.8.8.8, but written so that readers disagree
        "256.256.256.256",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1%25eth0]",
        "[2606:4700::1111%25eth0]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "user@x.test",
        "user:secret@8.8.8.8",
        "8.8.8.8:0",
        "x.test:99999",
        "",
        "x .test",
        "x.test\\@10.0.0.1",
        "x.test\n",
    ],
)
def test_a_url_that_names_such_a_host_is_refused_in_a_form_already(host, production):
    assert targets.check_url(f"https://{host}/hooks", is_livemode=False)


@pytest.mark.parametrize(
    "url", ["https://x.test/hooks", "https://x.test:8443/?a=1", "https://8.8.8.8/", "http://x.test"]
)
def test_ordinary_addresses_have_no_problem(url, production):
    assert targets.check_url(url, is_livemode=False) == []


@pytest.mark.parametrize(
    "url", ["ftp://x.test/", "file:///etc/passwd", "gopher://x.test", "//x.test", "x.test", "unix:/x"]
)
def test_only_web_addresses_are_addresses(url, production):
    assert targets.check_url(url, is_livemode=False)


def test_live_payments_need_https(production):
    assert targets.check_url("https://x.test/", is_livemode=True) == []
    assert targets.check_url("http://x.test/", is_livemode=True)


# --- When it is sent ----------------------------------------------------------------------------------------------
class Names:
    """A look-up of names that says what a test wants, and counts."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for address in answer
        ]

    async def close(self):
        pass


def through(names):
    return lambda: Sender(timeout_seconds=options.current().timeout_seconds, resolver=lambda: names)


@pytest.mark.django_db
def test_the_address_that_was_judged_is_the_one_connected_to(tell, receiver):
    names = Names(["127.0.0.1"])
    row = tell(url=f"http://hooks.test:{receiver.port}/x")
    run(sender=through(names))

    assert fresh(row).state == State.DELIVERED
    assert names.asked == ["hooks.test"]
    assert Attempt.objects.get().address == "127.0.0.1"
    assert receiver.log[0].headers["Host"] == f"hooks.test:{receiver.port}"


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_a_name_that_resolves_to_a_private_address_is_refused(tell, receiver, production, address):
    row = tell(url=f"http://hooks.test:{receiver.port}/x")
    run(sender=through(Names([address])))

    row = fresh(row)
    assert (row.state, row.attempts) == (State.PENDING, 1)
    assert "not a public address" in row.last_error
    assert receiver.log == []


@pytest.mark.django_db
def test_a_name_that_changes_its_mind_between_look_up_and_connection_gains_nothing(tell, receiver, settings):
    settings.DEMO = False
    names = Names(["192.168.7.7"], ["127.0.0.1"])
    row = tell(url=f"http://hooks.test:{receiver.port}/x")
    run(sender=through(names))

    assert names.asked == ["hooks.test"]
    assert "not a public address" in fresh(row).last_error
    assert receiver.log == []


@pytest.mark.django_db
def test_of_a_mixed_answer_only_the_allowed_address_is_used(tell, receiver):
    row = tell(url=f"http://hooks.test:{receiver.port}/x")
    run(sender=through(Names(["10.0.0.1", "127.0.0.1", "169.254.169.254"])))

    assert fresh(row).state == State.DELIVERED
    assert Attempt.objects.get().address == "127.0.0.1"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_no_socket_is_opened_for_a_literal_however_it_is_written(tell, receiver, production, host):
    row = tell(url=f"http://{host}:{receiver.port}/x")
    run(sender=through(Names(["127.0.0.1"])))

    assert receiver.log == []
    assert fresh(row).last_error
    assert Attempt.objects.get().address == ""


@pytest.mark.django_db
def test_a_redirect_to_a_private_address_leads_nowhere(tell, receiver, receivers):
    inside = receivers()
    receiver.answers = [(307, {"Location": inside.url}, b"")]
    tell()
    run()

    assert inside.log == []


@pytest.mark.django_db
def test_a_name_that_does_not_exist_is_said_in_plain_words(tell):
    row = tell(url="https://nowhere.test/")
    run(sender=through(Names(OSError(None, "Domain name not found"))))

    assert fresh(row).last_error == "The name nowhere.test could not be resolved."


@pytest.mark.django_db
def test_live_webhooks_never_leave_without_tls(tell, receiver):
    row = tell(is_livemode=True)
    run()

    assert receiver.log == []
    assert "https" in fresh(row).last_error


@pytest.mark.django_db
def test_a_certificate_nobody_vouches_for_is_refused(tell, receiver, tmp_path):
    import ssl

    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    row = tell(url=f"https://hooks.test:{receiver.port}/x", is_livemode=True)
    run(sender=through(Names(["127.0.0.1"])))

    assert receiver.log == []
    assert "certificate" in fresh(row).last_error


@pytest.mark.django_db
def test_a_certificate_that_is_vouched_for_is_accepted(tell, receiver, tmp_path):
    import ssl

    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    trusting = ssl.create_default_context(cafile=str(certificate))
    row = tell(url=f"https://hooks.test:{receiver.port}/x", is_livemode=True)
    run(sender=lambda: Sender(timeout_seconds=5, resolver=lambda: Names(["127.0.0.1"]), ssl_context=trusting))

    assert fresh(row).state == State.DELIVERED


def self_signed(folder):
    from datetime import UTC, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


@pytest.mark.django_db
def test_the_machines_own_resolver_is_asked_when_no_other_is_given(tell, receiver):
    row = tell(url=f"http://localhost:{receiver.port}/hooks")
    run()

    assert fresh(row).state == State.DELIVERED
    assert Attempt.objects.get().address == "127.0.0.1"
