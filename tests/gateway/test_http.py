"""What a broken exchange with a processor means to the caller."""

import datetime
import gzip
import ipaddress
import json
import os
import socket
import ssl
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug import Response

from gateway import http
from gateway.errors import Misconfigured, OutcomeUnknown, Unavailable
from tests.gateway.conftest import read_request

QUICK = http.Timeouts(connect_seconds=0.2, read_seconds=0.2, total_seconds=0.4)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def reset(connection):
    """Close with a RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def say(data: bytes):
    return lambda connection: connection.sendall(data)


def stay_silent(connection):
    connection.recv(1)


def drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b" ")
        time.sleep(0.05)


# Nothing happened


def test_a_refused_connection_is_unavailable_even_for_a_write():
    with pytest.raises(Unavailable):
        http.post_json(f"http://127.0.0.1:{free_port()}/pay", json={}, timeouts=QUICK)


def test_a_name_that_does_not_resolve_is_unavailable(monkeypatch):
    def fail(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(Unavailable):
        http.post_json("http://processor.test/pay", json={}, timeouts=QUICK)


def test_a_connection_that_never_opens_is_unavailable():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        with pytest.raises(Unavailable):
            http.post_json(f"http://127.0.0.1:{listener.getsockname()[1]}/pay", json={}, timeouts=QUICK)
        for filler in fillers:
            filler.close()


def test_a_proxy_that_is_not_there_is_unavailable(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable):
        http.post_json("http://processor.test/pay", json={}, timeouts=QUICK)


def test_429_is_unavailable_and_says_when_to_come_back(httpserver):
    httpserver.expect_request("/pay").respond_with_data("slow down", status=429, headers={"Retry-After": "7"})
    with pytest.raises(Unavailable) as caught:
        http.post_json(httpserver.url_for("/pay"), json={})
    assert caught.value.retry_after_seconds == 7


# Something may have happened


BROKEN = {
    "silence": stay_silent,
    "a reset": reset,
    "a close": lambda connection: None,
    "no HTTP": say(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "half of the headers": say(b"HTTP/1.1 200 OK\r\nContent-"),
    "half of the body": say(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":'),
    "half of a chunk": say(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"a":'),
    "a body without end that is cut": say(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"a":'),
    "gzip that is none": say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
    "a drip": drip,
    "HTML with 200": say(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"),
    "an empty 200": say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "a body that is not UTF-8": say(b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"\xff"'),
    "NaN": say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nNaN"),
    "500": say(b'HTTP/1.1 500 Oops\r\nContent-Length: 12\r\n\r\n{"error": 1}'),
    "503 in HTML": say(b"HTTP/1.1 503 No\r\nContent-Length: 13\r\n\r\n<html></html>"),
    "a redirect": say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\n{}"),
}


@pytest.mark.parametrize("trouble", BROKEN)
def test_no_clear_answer_to_a_write_is_unknown_and_to_a_read_unavailable(trouble, raw_server):
    written, read = raw_server(BROKEN[trouble]), raw_server(BROKEN[trouble])
    with pytest.raises(OutcomeUnknown):
        http.post_json(f"{written.url}/pay", json={"a": 1}, timeouts=QUICK)
    with pytest.raises(Unavailable):
        http.get_json(f"{read.url}/pay", timeouts=QUICK)
    assert (len(written.requests), len(read.requests)) == (1, 1)  # no retry, no redirect followed


def test_a_drip_is_cut_off_at_the_total_time(raw_server):
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        http.post_json(f"{raw_server(drip).url}/pay", json={}, timeouts=QUICK)
    assert time.monotonic() - started < 4  # it would drip for five seconds


def test_a_body_larger_than_allowed_is_no_answer(httpserver):
    httpserver.expect_request("/pay").respond_with_data(b'"' + b"x" * 5000 + b'"')
    with pytest.raises(OutcomeUnknown):
        http.send("POST", httpserver.url_for("/pay"), is_write=True, max_bytes=1000)


def test_a_small_answer_that_unpacks_into_a_large_one_is_no_answer(httpserver):
    body = gzip.compress(b'"' + b"x" * 5_000_000 + b'"')
    httpserver.expect_request("/pay").respond_with_data(body, headers={"Content-Encoding": "gzip"})
    with pytest.raises(OutcomeUnknown):
        http.send("POST", httpserver.url_for("/pay"), is_write=True, max_bytes=100_000)


def test_nesting_deeper_than_python_reads_is_no_answer(httpserver):
    httpserver.expect_request("/pay").respond_with_data("[" * 200_000)
    with pytest.raises(OutcomeUnknown):
        http.post_json(httpserver.url_for("/pay"), json={})


# Our own mistakes


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate of 127.0.0.1 that nobody trusts yet."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def serve_tls_once(certificate, script):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                read_request(secure)
                script(secure)
        except (OSError, ssl.SSLError):
            pass
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"https://127.0.0.1:{listener.getsockname()[1]}/pay"


def test_a_certificate_that_nobody_vouches_for_is_our_configuration(certificate):
    url = serve_tls_once(certificate, stay_silent)
    with pytest.raises(Misconfigured):
        http.post_json(url, json={}, timeouts=QUICK)


def test_https_to_a_plain_http_port_is_our_configuration():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)  # a ClientHello, which is no HTTP
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    with listener, pytest.raises(Misconfigured):
        http.post_json(f"https://127.0.0.1:{listener.getsockname()[1]}/pay", json={}, timeouts=QUICK)


def test_tls_that_breaks_after_the_request_is_unknown(certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    def cut(secure):
        reset(socket.socket(fileno=secure.detach()))

    url = serve_tls_once(certificate, cut)
    with ThreadPoolExecutor(1) as fresh_thread, pytest.raises(OutcomeUnknown):
        fresh_thread.submit(http.post_json, url, json={}, timeouts=QUICK).result()


@pytest.mark.parametrize("url", ["ftp://processor.test/", "processor.test/pay", "http://", "http://[", "http://a:b/"])
def test_an_address_that_is_none_is_our_configuration(url):
    with pytest.raises(Misconfigured):
        http.post_json(url, json={}, timeouts=QUICK)


@pytest.mark.parametrize("value", ["ключ", "a\nb"])
def test_a_header_that_cannot_be_written_is_our_configuration(value, httpserver):
    with pytest.raises(Misconfigured):
        http.post_json(httpserver.url_for("/pay"), json={}, headers={"Authorization": f"Bearer {value}"})
    assert httpserver.log == []


# The ordinary case


def test_an_answer_keeps_status_and_exact_numbers(httpserver):
    httpserver.expect_request("/pay", method="POST").respond_with_json({"amount": 0.1}, status=422)
    answer = http.post_json(httpserver.url_for("/pay"), json={"name": "Zoë"}, auth=("shop", "secret"))
    assert (answer.status, answer.data) == (422, {"amount": Decimal("0.1")})
    request = httpserver.log[0][0]
    assert request.authorization.username == "shop"
    assert json.loads(request.get_data()) == {"name": "Zoë"}


def test_cookies_of_one_account_do_not_reach_the_next(httpserver):
    httpserver.expect_request("/pay").respond_with_json({}, headers={"Set-Cookie": "who=first"})
    http.get_json(httpserver.url_for("/pay"))
    http.get_json(httpserver.url_for("/pay"))
    assert "Cookie" not in httpserver.log[1][0].headers


def test_netrc_does_not_replace_an_accounts_credentials(httpserver, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {httpserver.host} login operator password own\n")
    monkeypatch.setenv("NETRC", str(netrc))
    httpserver.expect_request("/pay").respond_with_json({})
    http.get_json(httpserver.url_for("/pay"), headers={"Authorization": "Bearer account"})
    assert httpserver.log[0][0].headers["Authorization"] == "Bearer account"


def test_an_egress_proxy_is_used_but_never_for_loopback(httpserver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", httpserver.url_for("/"))
    httpserver.expect_request("/pay").respond_with_handler(lambda request: Response('{"by": "proxy"}'))
    assert http.get_json("http://processor.test/pay").data == {"by": "proxy"}
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert http.get_json(httpserver.url_for("/pay")).data == {"by": "proxy"}


def test_connections_are_reused():
    accepted = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        accepted.append(1)
        while read_request(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    threading.Thread(target=serve, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/pay"
    for _ in range(3):
        assert http.post_json(url, json={}, timeouts=QUICK).data == {}
    assert accepted == [1]
    listener.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_worker_opens_connections_of_its_own():
    before = http._session()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"own" if http._session() is not before else b"shared")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"own"
    assert http._session() is before


def test_the_log_names_host_path_and_request_id_but_no_query_and_no_body(httpserver, caplog):
    httpserver.expect_request("/pay").respond_with_json({"client_secret": "s3cret"}, headers={"Request-Id": "req_9"})
    with caplog.at_level("DEBUG", logger="gateway"):
        http.get_json(httpserver.url_for("/pay"), params={"key": "hidden"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("gateway")]
    assert len(ours) == 1
    assert "/pay: 200 in " in ours[0]
    assert ours[0].endswith("request id req_9")
    assert "hidden" not in ours[0]
    assert "s3cret" not in ours[0]


def test_an_earlier_failure_that_was_handled_does_not_speak_for_a_later_one(raw_server):
    server = raw_server(stay_silent)
    try:
        http.get_json(f"http://127.0.0.1:{free_port()}/", timeouts=QUICK)
    except Unavailable:
        with pytest.raises(OutcomeUnknown):
            http.post_json(f"{server.url}/pay", json={}, timeouts=QUICK)
    try:
        http.post_json(f"{raw_server(reset).url}/pay", json={}, timeouts=QUICK)
    except OutcomeUnknown:
        with pytest.raises(Unavailable):
            http.post_json(f"http://127.0.0.1:{free_port()}/", json={}, timeouts=QUICK)


def test_errors_wrapped_by_a_vendors_sdk_are_understood():
    def wrapped(inner):
        try:
            try:
                raise inner
            except Exception as error:
                raise RuntimeError("sdk") from error
        except RuntimeError as error:
            return error

    assert isinstance(http.meaning_of(wrapped(requests.exceptions.ConnectTimeout()), is_write=True), Unavailable)
    assert isinstance(http.meaning_of(wrapped(requests.exceptions.ReadTimeout()), is_write=True), OutcomeUnknown)
    assert isinstance(http.meaning_of(wrapped(requests.exceptions.ConnectionError()), is_write=True), OutcomeUnknown)
