# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What the proxy can do to a call to the store, for :meth:`tests.faults.proxy.FaultProxy.inject`."""

import re
import time

from .proxy import Behaviour, Cut, Exchange


def cut_before(exchange: Exchange) -> None:
    """Cut the connection before the store has heard of it."""
    raise Cut


def lose_answer(exchange: Exchange) -> None:
    """Let the store do it and cut the connection instead of an answer."""
    exchange.forward()
    raise Cut


def delay_request(seconds: float) -> Behaviour:
    """Let the call reach the store only when the client has long given up."""

    def behave(exchange: Exchange) -> None:
        time.sleep(seconds)
        exchange.answer(exchange.forward())

    return behave


def delay_answer(seconds: float) -> Behaviour:
    """Let the store do it at once and answer late."""

    def behave(exchange: Exchange) -> None:
        response = exchange.forward()
        time.sleep(seconds)
        exchange.answer(response)

    return behave


def refuse(status: int, code: str, *, done: bool = False, **headers: str) -> Behaviour:
    """Answer an error of S3; ``done`` lets the store do it all the same."""

    def behave(exchange: Exchange) -> None:
        if done:
            exchange.forward()
        exchange.answer_error(status, code, tuple((name.replace("_", "-"), value) for name, value in headers.items()))

    return behave


def drop_last(element: str) -> Behaviour:
    """Leave the last element of this name out of a listing, as one that lags behind does."""
    start, end = f"<{element}>".encode(), f"</{element}>".encode()

    def behave(exchange: Exchange) -> None:
        response = exchange.forward()
        place = response.body.rfind(start)
        if place >= 0:
            response.set_body(response.body[:place] + response.body[response.body.index(end, place) + len(end) :])
        exchange.answer(response)

    return behave


def empty_etags(exchange: Exchange) -> None:
    """Leave every ETag out of the answer."""
    response = exchange.forward()
    response.headers = [(name, value) for name, value in response.headers if name.lower() != "etag"]
    if response.body:
        response.set_body(re.sub(rb"<ETag>.*?</ETag>", b"<ETag></ETag>", response.body))
    exchange.answer(response)


def hold_before(exchange: Exchange) -> None:
    """Keep the call from the store until the test lets it go."""
    exchange.hold()
    exchange.answer(exchange.forward())


def hold_answer(exchange: Exchange) -> None:
    """Let the store do it, and keep the answer until the test lets it go."""
    response = exchange.forward()
    exchange.hold()
    exchange.answer(response)
