# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Odd addresses, headers, times and bodies of answers, each by itself."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oarepo_s3_client import Cancel, Options, connections
from oarepo_s3_client.errors import ServerTrouble
from oarepo_s3_client.retries import Fault, date_of, seconds_of
from oarepo_s3_client.servers.face import Target
from oarepo_s3_client.servers.protocol import Request, lifetime
from oarepo_s3_client.servers.shapes import headers_of, web_address_of
from oarepo_s3_client.tasks import TaskRunner
from oarepo_s3_client.threads import ThreadRunner

TARGET = Target("https://host/records/1")
END = "2099-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "url",
    ["ftp://store/1", "file:///etc/passwd", "//store/1", "store/1", "https://", "https://store:0/", "https://[::1",
     "https://store:99999/", "https://store/a b", "https://store/\x00", "https://store/\u010d", "data:,x", "", 7, None],
)  # fmt: skip
def test_what_is_no_address_of_a_store(url: Any) -> None:
    with pytest.raises(ServerTrouble):
        web_address_of(url)


def test_an_address_near_another() -> None:
    assert web_address_of("/store/k", "https://host/records/1/files/k") == "https://host/store/k"
    assert web_address_of("https://store/k", "https://host/") == "https://store/k"


@pytest.mark.parametrize("headers", [[], {"a b": "x"}, {"a": "x\r\nb: y"}, {"a": 1}, {"": "x"}, {"a": "\u010d"}, None])
def test_what_are_no_headers(headers: Any) -> None:
    with pytest.raises(ServerTrouble):
        headers_of(headers)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} \d{1,20} \d\d:\d\d:\d\d [+-]\d{1,20}"))
def test_any_time(text: str) -> None:
    for seconds in (seconds_of(text), lifetime(END, {"date": text}), lifetime(text, {})):
        assert seconds is None or seconds >= 0
    assert date_of(text) is None or date_of(text).tzinfo is not None  # type: ignore[union-attr]


@pytest.mark.parametrize("date", ["Mon, 04 May 2026 12:00:00 -0000", "Mon, 04 May 2026 12:00:00"])
def test_a_date_without_a_zone(date: str) -> None:
    assert lifetime("2026-05-04T12:00:30+00:00", {"date": date}) == 30.0


# what comes over the line ---------------------------------------------------------------------------------------------


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Blocks of 1000 bytes; counts those that were taken."""

    def __init__(self, blocks: int) -> None:
        self.blocks, self.taken = blocks, 0

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.blocks):
            self.taken += 1
            yield b"[" + b" " * 999

    async def __aiter__(self) -> Any:
        for block in self:
            yield block


def ask(kind: str, request: Request, status: int, body: Body, **headers: str) -> Any:
    """The answer as a client's runner gives it to a flow."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, stream=body, headers=headers))

    def flow() -> Any:
        return (yield request)

    async def run() -> Any:
        async with httpx.AsyncClient(transport=transport) as http:
            return await TaskRunner(Options(), http).run(flow(), TARGET.url, Cancel())

    if kind == "async":
        return asyncio.run(run())
    with httpx.Client(transport=transport) as http:
        return ThreadRunner(Options(), http).run(flow(), TARGET.url, Cancel())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_answer_that_is_too_long(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LONGEST_ANSWER", 10_000)
    body = Body(1000)
    fault = ask(kind, Request("GET", TARGET.files), 200, body)
    assert isinstance(fault, Fault)
    assert fault.error is not None
    assert (fault.error.code, body.taken) == ("bad_answer", 11)
    whole = ask(kind, Request("GET", TARGET.files), 200, Body(10))
    assert len(whole.content) == 10_000


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_file_in_place_of_its_address_is_not_read(kind: str) -> None:
    body = Body(1000)
    answer = ask(kind, Request("GET", TARGET.file("k"), read=False), 200, body)
    assert (answer.status, answer.content, body.taken) == (200, b"", 0)
    refused = Body(3)
    assert len(ask(kind, Request("GET", TARGET.file("k"), read=False), 403, refused).content) == 3000
