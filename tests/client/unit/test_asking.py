# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Requests to a repository, answered by hand."""

import json
import ssl
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from oarepo_s3_client import Options
from oarepo_s3_client.connections import fault_of, request_options, tls_context
from oarepo_s3_client.errors import (
    ClientError,
    ConnectionTrouble,
    NotAuthorised,
    NotFound,
    Refused,
    ServerTrouble,
    UploadGone,
    UsageError,
)
from oarepo_s3_client.retries import Backoff, Fault, FaultKind
from oarepo_s3_client.servers.discovery import discover, target_of
from oarepo_s3_client.servers.face import Target
from oarepo_s3_client.servers.protocol import Asking, Request, Response, Sleep

URL = "https://host/records/1/files"


def answer(status: int, document: Any = None, **headers: str) -> Response:
    content = b"" if document is None else json.dumps(document).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def ask(*answers: Response | Fault, attempts: int = 3, **options: Any) -> tuple[Any, list[Request], list[float]]:
    """The last answer or the error, the requests, and the waits."""
    asking = Asking(Backoff(attempts, Random(1)), lambda reason, wait: None)
    operation = asking.ask(options.pop("method", "GET"), options.pop("url", URL), **options)
    requests: list[Request] = []
    waits: list[float] = []
    left = list(answers)
    try:
        effect = next(operation)
        while True:
            if isinstance(effect, Sleep):
                waits.append(effect.seconds)
                effect = operation.send(None)
            else:
                requests.append(effect)
                effect = operation.send(left.pop(0))
    except StopIteration as end:
        return end.value, requests, waits
    except ClientError as error:
        return error, requests, waits


def test_what_may_pass_is_asked_again() -> None:
    lost = Fault(FaultKind.RETRY, "lost")
    found, requests, waits = ask(answer(503, retry_after="7"), lost, answer(200, {}))
    assert found.status == 200
    assert len(requests) == 3
    assert waits[0] == 7.0
    assert 0.5 <= waits[1] <= 1.0


@pytest.mark.parametrize("last", [answer(503), Fault(FaultKind.RETRY, "lost")])
def test_patience_has_an_end(last: Response | Fault) -> None:
    found, requests, _ = ask(last, last, last)
    assert isinstance(found, ServerTrouble)
    assert len(requests) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, NotAuthorised),
        (403, NotAuthorised),
        (404, NotFound),
        (409, Refused),
        (410, UploadGone),
        (413, Refused),
    ],
)
def test_a_refusal_is_told_with_its_code(status: int, error: type[ClientError]) -> None:
    found, requests, _ = ask(answer(status, {"code": "some_code", "message": "Because."}))
    assert type(found) is error
    assert found.message.endswith(": Because.")
    assert len(requests) == 1
    assert found.code == ("not_authorised" if error is NotAuthorised else "some_code")
    assert type(ask(answer(status, ["no object"]))[0]) is error


def test_hints_say_what_to_do() -> None:
    plan = {"code": "invalid_plan", "suggested": {"part_size": 77, "parts": 2}}
    assert "77" in ask(answer(400, plan))[0].hint
    assert "abort" in ask(answer(409, {"code": "upload_exists"}))[0].hint


def test_a_busy_upload_is_waited_for() -> None:
    busy = answer(409, {"code": "upload_busy"}, retry_after="2")
    found, requests, waits = ask(*[busy] * 20, answer(200), busy=True)
    assert found.status == 200
    assert waits == [2.0] * 20
    assert isinstance(ask(busy)[0], Refused)
    assert isinstance(ask(*[busy] * 200, busy=True)[0], Refused)
    assert len(requests) == 21


def test_redirects_stay_at_home() -> None:
    moved = answer(308, location="/records/1/files/")
    found, requests, _ = ask(moved, answer(200))
    assert found.status == 200
    assert requests[1].url == f"{URL}/"
    away = answer(302, location="https://elsewhere/")
    assert isinstance(ask(away)[0], Refused)
    assert ask(moved, expect=(308,))[0].status == 308
    assert isinstance(ask(answer(302, location="/other"), method="POST")[0], Refused)
    assert isinstance(ask(*[moved] * 9)[0], Refused)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("at", ["http://host", "http://host:80", "http://127.0.0.1:5000", "https://host", ""])
def test_behind_a_proxy_that_ends_tls_a_slash_is_added_at_home(method: str, at: str) -> None:
    moved = answer(308, location=f"{at}/records/1/files/?a=b")
    found, requests, _ = ask(moved, answer(200), method=method, url=f"{URL}?a=b", json=[1])
    assert found.status == 200
    assert requests[1] == Request(method, f"{URL}/?a=b", json=[1])


@pytest.mark.parametrize(
    "location",
    ["http://host/records/1/files", "http://host/records/2/files/", "http://host/records/1/files/?c", "http://[::1",
     "https://host:99999/records/1/files/x", "https://elsewhere/records/1/files//", "", "ftp://host/"],
)  # fmt: skip
def test_other_redirects_lead_nowhere_else(location: str) -> None:
    found, requests, _ = ask(*[answer(308, location=location)] * 9)
    assert (found.code, {request.url for request in requests}) == ("moved", {URL})
    assert "https://" in found.hint


def test_patience_is_within_reason() -> None:
    _, _, waits = ask(answer(409, retry_after="99999999"), answer(200), busy=True)
    assert waits == [300.0]
    assert isinstance(ask(answer(409, retry_after="\u00b2"), busy=True)[0], Refused)


def test_a_fault_that_is_final() -> None:
    error = ConnectionTrouble("no")
    assert ask(Fault(FaultKind.FATAL, "no", error=error))[0] is error


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://host/api/records/1/draft", "https://host/api/records/1/draft"),
        ("https://host/api/records/1/draft/files/", "https://host/api/records/1/draft"),
        ("http://host/records/1/", "http://host/records/1"),
    ],
)
def test_targets(given: str, url: str) -> None:
    assert target_of(given) == Target(url)
    assert Target(url).file("a b/č#?") == f"{url}/files/a%20b/%C4%8D%23%3F"


@pytest.mark.parametrize(
    "given", ["host/records/1", "ftp://host/1", "https:///1", "https://[::1", "https://host/1?x=1"]
)
def test_what_is_no_target(given: str) -> None:
    with pytest.raises(UsageError):
        target_of(given)


@pytest.mark.parametrize("found", [answer(200, "text"), answer(200, {"hits": []}), Response(200, {}, b"<html>")])
def test_a_page_is_no_repository(found: Response) -> None:
    operation = discover(Target("https://host/1"), Asking(Backoff(1), lambda reason, wait: None))
    next(operation)
    with pytest.raises(ServerTrouble) as caught:
        operation.send(found)
    assert caught.value.code == "no_face"


def test_the_token_is_for_one_origin() -> None:
    options = Options(token="sesame")
    target = "https://host/records/1"
    assert request_options(Request("GET", URL), options, target)["headers"] == {"Authorization": "Bearer sesame"}
    for url in ("http://host/records/1/files", "https://host:444/", "https://host.example.org/"):
        assert "headers" not in request_options(Request("GET", url), options, target)
    assert "headers" not in request_options(Request("GET", URL), Options(), target)
    slow = request_options(Request("POST", URL, content=b"", timeout=360.0), options, target)
    assert (slow["timeout"].read, slow["timeout"].connect, slow["content"]) == (360.0, 60.0, b"")


def test_why_there_is_no_answer() -> None:
    untrusted = httpx.ConnectError("no")
    untrusted.__cause__ = ssl.SSLCertVerificationError("no")
    assert getattr(fault_of(untrusted).error, "code", None) == "certificate"
    assert fault_of(httpx.ReadTimeout("no")).kind is FaultKind.RETRY
    assert "ConnectError" in fault_of(httpx.ConnectError("secret")).reason
    assert isinstance(fault_of(httpx.UnsupportedProtocol("no")).error, UsageError)


def test_authorities(certificate_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tls_context(str(certificate_path))
    assert (given.verify_mode, given.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(given.get_ca_certs()) in (0, 1)
    assert given.cert_store_stats()["x509"] == 1
    for wrong in (tmp_path / "missing", Path(__file__)):
        with pytest.raises(UsageError):
            tls_context(str(wrong))
    nowhere = ssl.DefaultVerifyPaths(None, None, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    assert tls_context(None).cert_store_stats()["x509_ca"] > 10
