# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""First attempts past botocore: signed alike, and handed to it where they are not plain."""

from datetime import datetime
from types import SimpleNamespace

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from oarepo_s3.errors import StoreError, StoreRefused, StoreRetryLater, StoreUnknownOutcome, StoreUploadGone
from oarepo_s3.store.client import S3Client
from oarepo_s3.store.endpoint import AddressingStyle, Endpoint
from oarepo_s3.store.sigv4 import Credentials, SigningKeys, authorization
from tests.store.scripted import XML, Scripted, ScriptedServer, error

BY_BOTOCORE = {"s3": {"addressing_style": "auto"}}
DONE = Scripted(status=204)
BUSY = error("SlowDown", 503)
ONE_PART = Scripted(
    f"{XML}<ListPartsResult><IsTruncated>false</IsTruncated>"
    '<Part><PartNumber>1</PartNumber><ETag>"e"</ETag><Size>7</Size></Part></ListPartsResult>'
)
CALLS = (S3Client.abort_upload, S3Client.list_parts)
FOUND = Scripted(headers={"Content-Length": "7", "ETag": '"e"', "X-Amz-Meta-Oarepo-Upload": "stamp"})


def head(client, bucket, key, upload_id):
    return client.head_object(bucket, key)


@pytest.fixture
def naps(monkeypatch):
    """Seconds that botocore would have slept between attempts."""
    slept = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=slept.append))
    return slept


def ask(call, *answers, config=None, attempts=3, **options):
    """What the call ends with, and the requests that it made."""
    with ScriptedServer(answers) as server:
        client = S3Client("key", "secret", {"endpoint_url": server.endpoint}, config, attempts=attempts, **options)
        try:
            result = call(client, "bucket", "a key", "id+1")
        except StoreError as raised:
            result = (type(raised), raised.message)
        return result, server.requests


def by_botocore(request):
    return "amz-sdk-invocation-id" in {name.lower() for name in request.headers}


@pytest.mark.parametrize("token", [None, "token/+="])
@pytest.mark.parametrize("style", AddressingStyle)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_signed_as_botocore_signs(method, style, token):
    location = Endpoint("http://store.example:8080/prefix", style).locate("bucket", "a/ü key+~")
    theirs = AWSRequest(method, f"{location.base}{location.path}", params={"uploadId": "2~a/b+c="})
    S3SigV4Auth(BotoCredentials("key", "secret", token), "s3", "region").add_auth(theirs)
    now = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    query = "uploadId=2~a%2Fb%2Bc%3D"
    ours = authorization(Credentials("key", "secret", token), SigningKeys("region"), now, method, location, query)
    assert theirs.prepare().url.endswith(query)
    assert {name.lower(): value for name, value in ours.items()} == {
        name.lower(): value for name, value in theirs.headers.items()
    }


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", ["NoSuchUpload", "NoSuchKey"])
def test_an_upload_that_is_gone_takes_one_request_without_botocore(call, code):
    outcome, (request,) = ask(call, error(code, 404))
    assert not by_botocore(request)
    assert request.path == "/bucket/a%20key?uploadId=id%2B1"
    gone = (StoreUploadGone, f"ListParts: the store answered {code} (HTTP 404)")
    assert outcome == (gone if call is S3Client.list_parts else None)


def test_an_abort_that_succeeds_takes_one_request_without_botocore():
    outcome, (request,) = ask(S3Client.abort_upload, DONE)
    assert (outcome, request.method, by_botocore(request)) == (None, "DELETE", False)


def test_a_list_is_read_by_botocore_and_asked_for_once():
    (part,), (request,) = ask(S3Client.list_parts, ONE_PART)
    assert (part.number, part.size, part.etag, by_botocore(request)) == (1, 7, "e", False)


@pytest.mark.parametrize("answer", [FOUND, Scripted(headers={"Content-Length": "0"}), Scripted(status=404)])
def test_a_head_takes_one_request_without_botocore_and_is_read_alike(answer):
    ours, (request,) = ask(head, answer)
    assert (request.method, request.path, by_botocore(request)) == ("HEAD", "/bucket/a%20key", False)
    theirs, (request,) = ask(head, answer, config=BY_BOTOCORE)
    assert by_botocore(request)
    assert ours == theirs


@pytest.mark.parametrize("call", [*CALLS, head])
@pytest.mark.parametrize(
    "answers",
    [
        [BUSY],
        [error("InternalError", 500)],
        [error("AccessDenied", 403)],
        [error("NoSuchBucket", 404)],
        [Scripted("not found", 404)],
        [Scripted(hang_up=True)],
        [Scripted(hang_up=True), error("NoSuchUpload", 404)],
        [BUSY, BUSY, error("NoSuchUpload", 404)],
        [error("NoSuchBucket", 404, Retry_After="7")],
    ],
)
@pytest.mark.parametrize("attempts", [1, 3])
def test_whatever_else_comes_ends_as_with_botocore_alone(call, answers, attempts, naps):
    ours, our_requests = ask(call, *answers, attempts=attempts)
    waited = len(naps)
    theirs, their_requests = ask(call, *answers, attempts=attempts, config=BY_BOTOCORE)
    assert ours == theirs
    assert len(our_requests) == len(their_requests) <= attempts
    assert waited == len(naps) - waited == len(our_requests) - 1
    assert [by_botocore(request) for request in our_requests] == [False] + [True] * waited
    assert all(map(by_botocore, their_requests))


def test_no_outcome_is_left_for_the_next_call(naps):
    with ScriptedServer([error("AccessDenied", 403), BUSY, DONE, ONE_PART]) as server:
        client = S3Client("key", "secret", {"endpoint_url": server.endpoint}, attempts=1)
        with pytest.raises(StoreRefused):
            client.abort_upload("bucket", "key", "id")
        with pytest.raises(StoreRetryLater):
            client.list_parts("bucket", "key", "id")
        client.delete_object("bucket", "key")
        assert len(client.list_parts("bucket", "key", "id")) == 1
        assert len(server.requests) == 4


@pytest.mark.parametrize("target", [("", "key", "id"), ("bucket", "", "id")])
def test_botocore_checks_what_is_asked_for(target):
    with ScriptedServer([error("NoSuchBucket", 404)]) as server:
        client = S3Client("key", "secret", {"endpoint_url": server.endpoint})
        with pytest.raises(StoreRefused):
            client.abort_upload(*target)
    assert server.requests == []


def test_the_session_token_and_the_tenant_are_sent():
    with ScriptedServer([DONE]) as server:
        options = {"endpoint_url": server.endpoint, "aws_session_token": "token"}
        S3Client("key", "secret", options, tenant="tenant").abort_upload("bucket", "key", "id")
    (request,) = server.requests
    assert request.headers["X-Amz-Security-Token"] == "token"
    assert request.path.startswith("/tenant%3Abucket/key?")


def test_keys_of_this_moment_are_used(monkeypatch):
    with ScriptedServer([DONE]) as server:
        client = S3Client("key", "secret", {"endpoint_url": server.endpoint})
        client.abort_upload("bucket", "key", "id")
        monkeypatch.setattr(client._connection._session, "get_credentials", lambda: BotoCredentials("renewed", "other"))
        client.abort_upload("bucket", "key", "id")
    first, second = (request.headers["Authorization"] for request in server.requests)
    assert "Credential=key/" in first
    assert "Credential=renewed/" in second


@pytest.mark.parametrize(
    ("endpoint", "config", "direct"),
    [
        ("http://127.0.0.1:9", {}, True),
        ("http://127.0.0.1:9", {"s3": {"addressing_style": "virtual"}}, True),
        ("http://127.0.0.1:9", BY_BOTOCORE, False),
        ("http://127.0.0.1:9", {"s3": {"payload_signing_enabled": True}}, False),
        ("http://127.0.0.1:9/a%20b", {}, False),
        ("https://s3.eu-north-1.amazonaws.com", {}, False),
    ],
)
def test_botocore_makes_all_calls_where_its_rules_may_matter(endpoint, config, direct):
    client = S3Client("key", "secret", {"endpoint_url": endpoint}, config)
    assert (client._direct._endpoint is not None) == direct


def test_nothing_of_the_signature_is_told():
    (kind, message), _ = ask(S3Client.abort_upload, Scripted(hang_up=True), attempts=1)
    assert kind is StoreUnknownOutcome
    assert "Signature" not in message
    assert "secret" not in message
