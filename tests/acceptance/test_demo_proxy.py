# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
import pytest

from demo.store_proxy import RequestReader

REQUESTS = (
    b"PUT /a HTTP/1.1\r\nContent-Length: 5\r\nUser-Agent: one\r\n\r\n12345"
    b"GET /a HTTP/1.1\r\n\r\n"
    b"POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"
    b"PUT /empty HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    b"PUT /b HTTP/1.1\r\nHost: x\r\nuser-agent: two\r\ncontent-length: 10\r\n\r\n123"
)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_bodies_of_puts_are_counted_however_they_come(piece):
    reader = RequestReader()
    counts = [reader.feed(REQUESTS[start : start + piece]) for start in range(0, len(REQUESTS), piece)]
    assert sum(counts) == 8
    assert reader.ended == [("one", 5)]
    reader.end()
    assert reader.ended == [("one", 5), ("two", 3)]
    reader.end()
    assert reader.ended == [("one", 5), ("two", 3)]
