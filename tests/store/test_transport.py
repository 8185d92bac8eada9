# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What the way to the store can do to a call: nobody listens, nobody answers, TLS."""

import socket
from collections.abc import Iterator

import pytest

from oarepo_s3.errors import StoreRefused, StoreRetryLater, StoreUnknownOutcome
from oarepo_s3.store.client import S3Client
from oarepo_s3.store.contract import StoredPart
from tests.servers.process import free_port
from tests.store.stores import STAMP, StoreCase, connect, put
from tests.store.tls_proxy import Certificate, TLSProxy

PARTS = [StoredPart(1, 1, "0" * 32)]


def _client(endpoint: str, **options) -> S3Client:
    settings = {"timeout": 0.2, "complete_timeout": 0.2, "attempts": 1} | options
    return S3Client("key", "secret", {"endpoint_url": endpoint}, **settings)


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_nobody_listens():
    client = _client(f"http://127.0.0.1:{free_port()}")
    calls = [
        lambda: client.create_upload("bucket", "key", content_type="a/b", stamp="stamp"),
        lambda: client.complete_upload("bucket", "key", "id", PARTS),
        lambda: client.abort_upload("bucket", "key", "id"),
        lambda: client.head_object("bucket", "key"),
    ]
    for call in calls:
        with pytest.raises(StoreRetryLater) as later:
            call()
        assert "127.0.0.1" not in str(later.value)


def test_nobody_answers(silent_endpoint: str):
    client = _client(silent_endpoint)
    with pytest.raises(StoreUnknownOutcome, match="CompleteMultipartUpload"):
        client.complete_upload("bucket", "key", "id", PARTS)
    with pytest.raises(StoreUnknownOutcome, match="CreateMultipartUpload"):
        client.create_upload("bucket", "key", content_type="a/b", stamp="stamp")
    # What changes nothing may simply be asked again.
    with pytest.raises(StoreRetryLater):
        client.head_object("bucket", "key")


def test_an_upload_over_tls(tls_case: StoreCase, certificate: Certificate):
    upload_id = tls_case.create("key").upload_id
    url = tls_case.signer("key", upload_id).url(1, content_length=7)
    assert url.startswith("https://127.0.0.1:")
    assert put(url, b"content", trust=certificate.client_context()).status == 200
    tls_case.complete("key", upload_id)
    assert tls_case.store.head_object(tls_case.s3_bucket, "key").stamp == STAMP
    answer = tls_case.server.client().get_object(Bucket=tls_case.s3_bucket, Key="key")
    assert answer["Body"].read() == b"content"
    assert "aws-chunked" not in answer.get("ContentEncoding", "")


def test_a_body_over_tls_is_sent_without_chunks(tls_case: StoreCase):
    """With boto3's own defaults both stores answer 411 to it, or keep the encoding for a header of the object."""
    tls_case.store._client.put_object(Bucket=tls_case.s3_bucket, Key="whole", Body=b"content")
    answer = tls_case.server.client().get_object(Bucket=tls_case.s3_bucket, Key="whole")
    assert answer["Body"].read() == b"content"
    assert "aws-chunked" not in answer.get("ContentEncoding", "")


def test_a_certificate_that_is_not_trusted(rclone, certificate: Certificate):
    with TLSProxy(certificate, rclone.port) as proxy:
        client = connect(rclone, client_kwargs={"endpoint_url": proxy.endpoint})
        with pytest.raises(StoreRefused, match="certificate"):
            client.create_upload("bucket", "key", content_type="a/b", stamp="stamp")
    assert proxy.handshakes_refused == 1
