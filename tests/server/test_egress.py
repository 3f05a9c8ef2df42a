"""Where webhooks may lead, and what is done on the way there."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from server.egress import UNREACHABLE, Egress, TargetError, is_public, networks
from server.sending import MOST_BYTES, Answer, Sender, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPEN = Egress(allow_http=True, networks=networks(["127.0.0.0/8"]))

NOT_PUBLIC = {
    "this machine": "127.0.0.1",
    "all of this machine": "127.255.255.254",
    "this machine, version 6": "::1",
    "nowhere": "0.0.0.0",
    "somewhere in nowhere": "0.1.2.3",
    "nowhere, version 6": "::",
    "private, class A": "10.0.0.1",
    "private, class B": "172.31.255.255",
    "private, class C": "192.168.1.1",
    "the metadata service": "169.254.169.254",
    "the metadata service of version 6": "fd00:ec2::254",
    "carrier-grade NAT": "100.64.0.1",
    "protocol assignments": "192.0.0.9",
    "documentation": "203.0.113.7",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "multicast that is global": "233.252.0.1",
    "multicast, version 6": "ff0e::1",
    "broadcast": "255.255.255.255",
    "reserved": "240.0.0.1",
    "link-local": "fe80::1",
    "site-local": "fec0::1",
    "unique local": "fc00::1",
    "documentation, version 6": "2001:db8::1",
    "new documentation": "3fff::1",
    "this machine, mapped": "::ffff:127.0.0.1",
    "a public one, mapped": "::ffff:1.1.1.1",
    "this machine, compatible": "::127.0.0.1",
    "this machine, translated": "::ffff:0:127.0.0.1",
    "this machine through NAT64": "64:ff9b::7f00:1",
    "a private one through local NAT64": "64:ff9b:1::a00:1",
    "this machine through 6to4": "2002:7f00:1::1",
    "Teredo": "2001:0:7f00:1::1",
    "relays of 6to4": "192.88.99.1",
}
PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001:80b::200e"]


def send(
    url: str, addresses: list[str] | None = None, *, egress: Egress = OPEN, seconds: float = 5, **more: Any
) -> Answer:
    async def resolve(_host: str, _port: int) -> list[str]:
        assert addresses is not None
        return addresses

    made = Sender(egress=egress, seconds=seconds, **more, **({} if addresses is None else {"resolve": resolve}))
    return made(url, {"webhook-id": "msg-1"}, b"{}")


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_however_it_is_found(address: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(TargetError):
        Egress().check_url(f"https://{literal}/")
    found = send("https://hooks.example.com/", ["1.1.1.1", address], egress=Egress())
    assert found == Answer(None, UNREACHABLE)


def test_nobody_learns_whether_a_name_leads_into_our_networks_or_nowhere() -> None:
    async def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("name or service not known")

    inside = send("https://db.internal/", ["10.0.0.7"], egress=Egress())
    assert inside == send("https://db.internal/", [], egress=Egress()) == send("https://db.internal/", resolve=unknown)


@pytest.mark.parametrize("host", ["xn--", "a..b", "x" * 70, "hooks.invalid", "a%00b", "...."])
def test_a_name_that_is_none_is_a_failure_and_no_fault(host: str) -> None:
    assert send(f"https://{host}/").status is None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_no_address_is_public_that_is_private_or_leads_to_many(address: ipaddress.IPv4Address) -> None:
    assert not is_public(address) or (address.is_global and not address.is_multicast and not address.is_private)
    assert not is_public(ipaddress.ip_address(f"::ffff:{address}"))
    assert not is_public(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(address)))
    assert not is_public(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)))


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1"])
def test_other_spellings_of_this_machine_are_refused_when_they_are_resolved(receiver: Any, host: str) -> None:
    answer = send(f"http://{host}:{receiver.port}/", egress=Egress(allow_http=True))
    assert answer.status is None
    assert receiver.told == []


def test_a_network_that_the_operator_names_is_reached(receiver: Any) -> None:
    assert send(receiver.url) == Answer(204)
    inside = Egress(allow_http=True, networks=networks(["10.0.0.0/8"]))
    assert send(receiver.url, egress=inside) == Answer(None, "its address is not public")
    assert len(receiver.told) == 1


def test_http_without_tls_needs_the_setting(receiver: Any) -> None:
    answer = send(receiver.url, egress=Egress(networks=OPEN.networks))
    assert answer == Answer(None, "it must begin with https://")
    assert receiver.told == []


def test_a_name_is_resolved_once_and_the_address_that_was_looked_at_is_the_one_that_is_told(receiver: Any) -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.9"]

    url = f"http://hooks.example.com:{receiver.port}/x"
    assert Sender(egress=OPEN, resolve=rebinding)(url, {}, b"{}").status == 204
    assert asked == ["hooks.example.com"]
    assert receiver.told[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_the_next_address_is_tried_when_one_cannot_be_connected_to(receiver: Any) -> None:
    url = f"http://hooks.example.com:{receiver.port}/x"
    assert send(url, ["127.0.0.77", "127.0.0.1"]).status == 204
    assert send(url, ["127.0.0.77"]) == Answer(None, "it cannot be connected to")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: Any, status: int) -> None:
    receiver.script = [(status, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"})]
    assert send(receiver.url).status == status
    assert [each.path for each in receiver.told] == ["/hook?who=ops"]


def test_proxies_of_the_environment_are_not_used(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(receiver.url).status == 204


@pytest.fixture
def raw() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Return what listens on a port and lets a function talk to whoever connects."""
    opened: list[socket.socket] = []

    def listen(talk: Callable[[socket.socket], None]) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        return int(server.getsockname()[1])

    yield listen
    for server in opened:
        server.close()


def test_no_more_of_an_answer_is_read_than_anybody_needs(raw: Callable[..., int]) -> None:
    sent, ended = [0], threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while sent[0] < 500_000_000:
                sent[0] += connection.send(bytes(65_536))
        except OSError:
            pass
        ended.set()

    assert send(f"http://127.0.0.1:{raw(talk)}/") == Answer(200)
    assert ended.wait(5)
    # What the kernel's buffers hold comes on top.
    assert MOST_BYTES < sent[0] < 50_000_000


def test_an_answer_that_drips_ends_in_time(raw: Callable[..., int]) -> None:
    ended = threading.Event()

    def talk(connection: socket.socket) -> None:
        try:
            for _ in range(600):
                connection.sendall(b"H")
                time.sleep(0.05)
        except OSError:
            ended.set()

    assert send(f"http://127.0.0.1:{raw(talk)}/", seconds=0.5) == Answer(None, "no answer within 0.5 s")
    assert ended.wait(5), "the connection is closed"


def test_a_name_server_that_does_not_answer_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    done, ended = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        done.wait(20)
        ended.set()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert send("https://hooks.example.com/", seconds=0.1) == Answer(None, "no answer within 0.1 s")
    assert not ended.is_set(), "nobody waited for it"
    done.set()
    assert ended.wait(5)


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-x\r\n"])
def test_what_speaks_no_http_is_a_failure(raw: Callable[..., int], said: bytes) -> None:
    answer = send(f"http://127.0.0.1:{raw(lambda connection: connection.sendall(said))}/")
    assert answer.status is None
    assert answer.error in ("it does not speak HTTP", "the connection broke off")


RETRIES = {
    "seconds": ({"Retry-After": "120"}, 120),
    "more than a day": ({"Retry-After": "999999999999999999999"}, 86_400),
    "a date": ({"Retry-After": "Wed, 29 Oct 2025 12:00:30 GMT", "Date": "Wed, 29 Oct 2025 12:00:00 GMT"}, 30),
    "a date that is over": (
        {"Retry-After": "Wed, 29 Oct 2025 11:00:00 GMT", "Date": "Wed, 29 Oct 2025 12:00:00 GMT"},
        0,
    ),
    "words": ({"Retry-After": "later"}, None),
    "less than nothing": ({"Retry-After": "-5"}, None),
    "other digits": ({"Retry-After": "\u0663"}, None),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), RETRIES.values(), ids=RETRIES)
def test_retry_after_is_read(headers: dict[str, str], seconds: int | None) -> None:
    assert retry_after(httpx.Headers(headers, encoding="utf-8")) == seconds


def test_tls_is_asked_for_the_name_and_nothing_else_is_trusted(tmp_path: Path) -> None:
    names: list[str | None] = []
    trusted = ssl.create_default_context(cadata=_certificate(tmp_path, "hooks.example.com"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(3):
            connection, _ = server.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65_536)
                    secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                    # Whoever closes with something unread resets the connection, and the answer may be lost.
                    while secured.recv(65_536):
                        pass
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = server.getsockname()[1]
    assert send(f"https://hooks.example.com:{port}/", ["127.0.0.1"], tls=trusted) == Answer(204)
    assert send(f"https://other.example.com:{port}/", ["127.0.0.1"], tls=trusted).status is None
    assert send(f"https://hooks.example.com:{port}/", ["127.0.0.1"]).status is None, "the certificate is nobody's"
    assert names == ["hooks.example.com", "other.example.com", "hooks.example.com"]
    thread.join()
    server.close()


def _certificate(folder: Path, name: str) -> str:
    """Write a key and a certificate for a name, and return the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.pem").write_bytes(private + text)
    return text.decode()
