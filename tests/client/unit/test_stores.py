# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Exchanges with a store that does not behave, over real sockets."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from oarepo_s3_client.errors import ConnectionTrouble, UsageError
from oarepo_s3_client.retries import FaultKind
from oarepo_s3_client.stores import StoreFault, Stores

OK = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n'
Serve = Callable[[socket.socket], None]


@contextmanager
def server(*connections: Serve) -> Iterator[str]:
    """Serve one connection after the other, each its own way; the address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        for serve in connections:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive(), "not all connections came"
    finally:
        listener.close()


def receive(connection: socket.socket) -> bytes:
    """One request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(*answers: bytes, seen: list[bytes] | None = None) -> Serve:
    def serve(connection: socket.socket) -> None:
        for answer in answers:
            request = receive(connection)
            if seen is not None:
                seen.append(request)
            connection.sendall(answer)

    return serve


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Stores(5.0, ssl.create_default_context)
    yield made
    made.close()


def put(stores: Stores, url: str, content: bytes = b"content", owner: object = "me") -> str:
    return stores.put(f"{url}/key?x=1", len(content), lambda: iter([memoryview(content)]), owner)


def test_a_connection_is_used_again(stores: Stores) -> None:
    seen: list[bytes] = []
    with server(answering(OK, OK, seen=seen)) as url:
        assert put(stores, url) == "abc"
        assert put(stores, url) == "abc"
    assert [request.partition(b"\r\n")[0] for request in seen] == [b"PUT /key?x=1 HTTP/1.1"] * 2
    assert seen[0].endswith(b"\r\n\r\ncontent")
    assert b"authorization" not in seen[0].lower()
    assert b"\r\nUser-Agent: oarepo-s3-client/" in seen[0]


def test_a_connection_that_was_closed_while_idle_is_nobodys_fault(stores: Stores) -> None:
    with server(answering(OK), answering(OK)) as url:
        assert put(stores, url) == "abc"
        assert put(stores, url) == "abc"


def test_a_fresh_connection_that_is_cut_is_a_fault(stores: Stores) -> None:
    with server(lambda connection: None) as url, pytest.raises(StoreFault) as caught:
        put(stores, url)
    assert caught.value.fault.kind is FaultKind.RETRY


def test_what_the_store_says_early_counts(stores: Stores) -> None:
    """It answers without reading the body, and closes."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        body = b"<Error><Code>AccessDenied</Code></Error>"
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with server(refuse) as url, pytest.raises(StoreFault) as caught:
        put(stores, url, bytes(50 << 20))
    assert caught.value.fault.kind is FaultKind.EXPIRED
    assert caught.value.fault.reason == "the store answers 403 AccessDenied"


def test_a_broken_pipe_without_an_answer(stores: Stores) -> None:
    def cut(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with server(cut) as url, pytest.raises(StoreFault) as caught:
        put(stores, url, bytes(50 << 20))
    assert caught.value.fault.kind is FaultKind.RETRY


def test_retry_after_is_read(stores: Stores) -> None:
    answer = b"HTTP/1.1 503 Slow Down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    with server(answering(answer, OK)) as url:
        with pytest.raises(StoreFault) as caught:
            put(stores, url)
        assert caught.value.fault.retry_after == 7.0
        assert put(stores, url) == "abc"


def test_no_answer_in_time() -> None:
    def wait(connection: socket.socket) -> None:
        receive(connection)
        connection.recv(1)

    stores = Stores(0.2, ssl.create_default_context)
    with server(wait) as url, pytest.raises(StoreFault, match="in time"):
        put(stores, url)


def test_nobody_there(stores: Stores) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(StoreFault, match="ConnectionRefusedError"):
        put(stores, url)


def test_the_owner_can_stop_it(stores: Stores) -> None:
    begun = threading.Event()

    def wait(connection: socket.socket) -> None:
        receive(connection)
        begun.set()
        connection.recv(1)

    with server(wait) as url:
        stopper = threading.Thread(target=lambda: begun.wait(10) and stores.stop("me"))
        stopper.start()
        stores.stop("somebody else")
        with pytest.raises(StoreFault):
            put(stores, url)
        stopper.join()


def partial(first: int, last: int, content: bytes, status: bytes = b"206 Partial Content") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nContent-Range: bytes %d-%d/100\r\n\r\n"
    return head % (status, len(content), first, last) + content


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (partial(5, 9, b"56789"), True),
        (partial(5, 9, b"56789", b"200 OK"), True),
        (partial(4, 8, b"45678"), False),
        (partial(5, 9, b"567"), False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n01234", False),
    ],
)
def test_ranges_have_to_be_the_ones_asked_for(stores: Stores, answer: bytes, good: bool) -> None:
    got = bytearray()
    seen: list[bytes] = []
    with server(answering(answer, seen=seen)) as url:
        if good:
            stores.get(f"{url}/key", 5, 5, lambda: got.extend, "me")
            assert got == b"56789"
        else:
            with pytest.raises(StoreFault) as caught:
                stores.get(f"{url}/key", 5, 5, lambda: got.extend, "me")
            assert caught.value.fault.kind is FaultKind.RETRY
    assert b"Range: bytes=5-9\r\n" in seen[0]


def test_more_bytes_than_were_asked_for(stores: Stores) -> None:
    with server(answering(partial(0, 6, b"content and more"))) as url, pytest.raises(StoreFault) as caught:
        stores.get(f"{url}/key", 0, 7, lambda: lambda block: None, "me")
    assert caught.value.fault.kind is FaultKind.RETRY


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden"])
def test_an_answer_without_end_is_not_read_to_its_end(stores: Stores, status: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(b'HTTP/1.1 %b\r\nETag: "abc"\r\nContent-Length: 99999999\r\n\r\n' % status + b"x" * 65536)
        assert connection.recv(1) == b""  # it hangs up

    with server(serve, answering(OK)) as url:
        if status.startswith(b"200"):
            assert put(stores, url) == "abc"
        else:
            with pytest.raises(StoreFault):
                put(stores, url)
        assert put(stores, url) == "abc"


def test_a_whole_file_needs_no_range(stores: Stores) -> None:
    got = bytearray()
    with server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n01234")) as url:
        stores.get(f"{url}/key", 0, 5, lambda: got.extend, "me")
    assert got == b"01234"


def test_a_proxy_is_asked_for_the_whole_address(stores: Stores) -> None:
    seen: list[bytes] = []
    with server(answering(OK, seen=seen)) as url:
        proxied = Stores(5.0, ssl.create_default_context, url.replace("//", "//user:p%40ss@"))
        put(proxied, "http://store.example.org")
    assert seen[0].startswith(b"PUT http://store.example.org/key?x=1 HTTP/1.1\r\nHost: store.example.org\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in seen[0]


def test_a_tunnel_for_tls(stores: Stores) -> None:
    seen: list[bytes] = []
    with server(answering(b"HTTP/1.1 502 No\r\n\r\n", seen=seen)) as url:
        proxied = Stores(5.0, ssl.create_default_context, url)
        with pytest.raises(StoreFault):
            put(proxied, "https://store.example.org")
    assert seen[0].startswith(b"CONNECT store.example.org:443 HTTP/1.")


def test_the_environment_names_proxies(monkeypatch: pytest.MonkeyPatch, stores: Stores) -> None:
    seen: list[bytes] = []
    with server(answering(OK, seen=seen), answering(OK, seen=seen)) as url:
        monkeypatch.setenv("http_proxy", url.removeprefix("http://"))
        put(stores, "http://store.example.org")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        put(stores, url)
    assert [request.split()[1] for request in seen] == [b"http://store.example.org/key?x=1", b"/key?x=1"]


def test_only_plain_proxies() -> None:
    with pytest.raises(UsageError):
        put(Stores(5.0, ssl.create_default_context, "socks5://127.0.0.1:1"), "http://store.example.org")


def test_a_certificate_that_nobody_has_signed(stores: Stores, certificate: ssl.SSLContext) -> None:
    def serve(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            certificate.wrap_socket(connection, server_side=True)

    with server(serve) as url, pytest.raises(StoreFault) as caught:
        put(stores, url.replace("http:", "https:"))
    assert caught.value.fault.kind is FaultKind.FATAL
    assert isinstance(caught.value.fault.error, ConnectionTrouble)
    assert caught.value.fault.error.code == "certificate"
