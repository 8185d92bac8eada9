# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Bytes to and from the store: persistent connections, blocks instead of whole parts, no token.

This is ``http.client`` and no bigger library because a body goes block by block from the file to the socket, and each
block is hashed between the two.
"""

import http.client
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from oarepo_s3_client.connections import USER_AGENT
from oarepo_s3_client.errors import UsageError, untrusted
from oarepo_s3_client.retries import Fault, FaultKind, fault_of_store, seconds_of

Body = Callable[[], Iterator[memoryview]]
Sink = Callable[[memoryview], None]

READ_BLOCK = 256 * 1024
LONGEST_TEXT = 64 * 1024
"""Bytes of an answer's own text that are read."""


class StoreFault(Exception):
    """An exchange with the store has failed; ``fault`` says what it calls for."""

    def __init__(self, fault: Fault):
        super().__init__(fault.reason)
        self.fault = fault


class Stopped(Exception):
    """We ourselves have stopped it."""


@dataclass(frozen=True, slots=True)
class _Origin:
    scheme: str
    host: str
    port: int


@dataclass(eq=False)
class _Lane:
    """A connection; ``fresh`` until its first exchange, ``clean`` if the last one has left nothing behind."""

    connection: http.client.HTTPConnection = field(repr=False)
    proxy: SplitResult | None = field(repr=False)
    fresh: bool = True
    clean: bool = False


class Stores:
    """Connections to stores, kept open and used again; thread-safe.

    Args:
        timeout: seconds to wait for a connection and for each block or answer.
        context: how TLS is verified.
        proxy: URL of an HTTP proxy, None for what the environment says.
    """

    def __init__(self, timeout: float, context: Callable[[], ssl.SSLContext], proxy: str | None = None):
        self._timeout, self._context, self._proxy = timeout, context, proxy
        self._lock = threading.Lock()
        self._idle: dict[_Origin, list[_Lane]] = {}
        self._active: dict[Hashable, set[_Lane]] = {}

    def put(self, url: str, size: int, body: Body, owner: Hashable, headers: Mapping[str, str] | None = None) -> str:
        """Put ``size`` bytes, and return the ETag without quotes.

        Args:
            url: presigned.
            size: bytes that the body has.
            body: gives them from the beginning, each time it is called.
            owner: who can stop it.
            headers: to send beside the length, where the URL is signed with them.

        Raises:
            StoreFault: it has not worked.
            Stopped: the owner has stopped it.
        """

        def exchange(lane: _Lane) -> str:
            connection = lane.connection
            _begin(lane, "PUT", url, {**(headers or {}), "Content-Length": str(size)})
            try:
                for block in body():
                    connection.send(block)
            except OSError:
                # The store may have answered early and closed; what it has said is worth more than a broken pipe.
                return _etag_of(connection.getresponse())
            answer = connection.getresponse()
            try:
                return _etag_of(answer)
            finally:
                lane.clean = answer.isclosed()  # it had no more than was read

        return self._on_a_lane(url, owner, exchange)

    def get(self, url: str, first: int, size: int, receive: Callable[[], Sink], owner: Hashable) -> str:
        """Get ``size`` bytes from ``first`` on, give them to the sink, and return the object's ETag.

        Args:
            url: presigned.
            first: offset of the first byte.
            size: how many bytes to get.
            receive: makes a sink that takes them from the first on, each time it is called.
            owner: who can stop it.

        Raises:
            StoreFault: it has not worked.
            Stopped: the owner has stopped it.
        """

        def exchange(lane: _Lane) -> str:
            _begin(lane, "GET", url, {"Range": f"bytes={first}-{first + size - 1}"})
            answer = lane.connection.getresponse()
            etag = _etag_of(answer, read=False)
            _check_range(answer, first, size)
            _read_all(answer, size, receive())
            lane.clean = True
            return etag

        return self._on_a_lane(url, owner, exchange)

    def stop(self, owner: Hashable) -> None:
        """Break off what the owner has under way; also from another thread."""
        with self._lock:
            lanes = tuple(self._active.get(owner, ()))
        for lane in lanes:
            connection = lane.connection
            with suppress(OSError, AttributeError):  # not connected yet, or no more
                connection.sock.shutdown(2)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            lanes = [lane for idle in self._idle.values() for lane in idle]
            self._idle.clear()
        for lane in lanes:
            lane.connection.close()

    # connections ------------------------------------------------------------------------------------------------------

    def _on_a_lane(self, url: str, owner: Hashable, exchange: Callable[[_Lane], str]) -> str:
        parts = urlsplit(url)
        origin = _Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        while True:
            with self._lane(origin, owner) as lane:
                reused = not lane.fresh
                try:
                    return exchange(lane)
                except (OSError, http.client.HTTPException) as error:
                    lane.clean = False
                    if not (reused and isinstance(error, ConnectionError)):
                        raise StoreFault(_fault_of(error)) from error
                    # Else the store had closed it while it was idle; there are only so many idle ones to try.

    @contextmanager
    def _lane(self, origin: _Origin, owner: Hashable) -> Iterator[_Lane]:
        with self._lock:
            idle = self._idle.get(origin)
            lane = idle.pop() if idle else self._connect(origin)
            active = self._active.setdefault(owner, set())
            active.add(lane)
        try:
            yield lane
        finally:
            lane.fresh = False
            with self._lock:
                active.discard(lane)
                if not active:
                    self._active.pop(owner, None)
                if lane.clean:
                    self._idle.setdefault(origin, []).append(lane)
            if not lane.clean:
                lane.connection.close()

    def _connect(self, origin: _Origin) -> _Lane:
        proxy = self._proxy_for(origin)
        host, port = (proxy.hostname or "", proxy.port or 80) if proxy else (origin.host, origin.port)
        if origin.scheme != "https":
            return _Lane(http.client.HTTPConnection(host, port, timeout=self._timeout), proxy)
        connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context())
        if proxy:
            connection.set_tunnel(origin.host, origin.port, _authorisation(proxy))
        return _Lane(connection, None)

    def _proxy_for(self, origin: _Origin) -> SplitResult | None:
        proxy = self._proxy
        if proxy is None:
            if proxy_bypass(origin.host):
                return None
            proxies = getproxies()
            proxy = proxies.get(origin.scheme) or proxies.get("all")
        if not proxy:
            return None
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.scheme != "http":
            raise UsageError("Only proxies that are reached by http:// can be used.")
        return parts


def _begin(lane: _Lane, method: str, url: str, headers: dict[str, str]) -> None:
    lane.clean = False
    parts = urlsplit(url)
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    if lane.proxy is not None:
        path = parts._replace(fragment="").geturl()
        headers |= _authorisation(lane.proxy)
    connection = lane.connection
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", parts.netloc.rpartition("@")[2])
    for name, value in {"User-Agent": USER_AGENT, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()


def _authorisation(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _etag_of(answer: http.client.HTTPResponse, *, read: bool = True) -> str:
    """The ETag of a good answer, which may be empty."""
    if answer.status not in (200, 201, 204, 206):
        body = answer.read(LONGEST_TEXT)
        raise StoreFault(fault_of_store(answer.status, body, seconds_of(answer.getheader("Retry-After"))))
    if read:
        answer.read(LONGEST_TEXT)
    return (answer.getheader("ETag") or "").strip().strip('"')


def _check_range(answer: http.client.HTTPResponse, first: int, size: int) -> None:
    """Whether these are the bytes that were asked for. The header decides: some stores say 200 and not 206."""
    given = answer.getheader("Content-Range")
    whole = given is None and first == 0 and answer.length == size
    if not whole and (given is None or not given.startswith(f"bytes {first}-{first + size - 1}/")):
        raise StoreFault(Fault(FaultKind.RETRY, "the store gives other bytes than it was asked for"))


def _read_all(answer: http.client.HTTPResponse, size: int, sink: Sink) -> None:
    buffer = memoryview(bytearray(min(READ_BLOCK, size)))
    left = size
    while left:
        count = answer.readinto(buffer[: min(len(buffer), left)])
        if not count:
            raise StoreFault(Fault(FaultKind.RETRY, "the store broke off"))
        sink(buffer[:count])
        left -= count
    if answer.read(1):
        raise StoreFault(Fault(FaultKind.RETRY, "the store gives more bytes than it was asked for"))


def _fault_of(error: Exception) -> Fault:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fault(FaultKind.FATAL, "the store's certificate is not trusted", error=untrusted("store"))
    if isinstance(error, TimeoutError):
        return Fault(FaultKind.RETRY, "the store does not answer in time")
    return Fault(FaultKind.RETRY, f"the connection to the store failed ({type(error).__name__})")
