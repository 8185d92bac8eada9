# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The client against a server that follows a script: settings, retries, paging."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import aiobotocore.session
import boto3
import pytest
from botocore.exceptions import ParamValidationError

from oarepo_s3.errors import (
    ConfigurationError,
    StorePartsRefused,
    StoreRefused,
    StoreRetryLater,
    StoreUnknownOutcome,
    StoreUploadGone,
)
from oarepo_s3.store import client as client_module
from oarepo_s3.store.client import S3Client, allow_any_bucket_name
from oarepo_s3.store.connection import is_aws
from oarepo_s3.store.contract import ListedUpload, Store, StoredPart
from tests.store.scripted import XML, Scripted, ScriptedServer, error

CREATED = Scripted(f"{XML}<InitiateMultipartUploadResult><UploadId>id-1</UploadId></InitiateMultipartUploadResult>")
COMPLETED = Scripted(f'{XML}<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>')
PARTS = [StoredPart(1, 1, "0" * 32)]
NOWHERE = {"endpoint_url": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch, tmp_path):
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def naps(monkeypatch):
    """Seconds that botocore would have slept between attempts."""
    slept = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=slept.append))
    return slept


@pytest.fixture
def scripted():
    """Start a server with a script, and build a client of it."""
    servers = []

    def start(*answers, **options):
        server = ScriptedServer(answers)
        servers.append(server)
        server.__enter__()
        return S3Client("key", "secret", {"endpoint_url": server.endpoint}, **({"attempts": 1} | options)), server

    yield start
    for server in servers:
        server.__exit__(None, None, None)


def create(client, bucket="bucket"):
    return client.create_upload(bucket, "key", content_type="a/b", stamp="stamp")


def _listing(numbers, *, truncated=False, marker=None):
    parts = "".join(
        f'<Part><PartNumber>{number}</PartNumber><ETag>"e{number}"</ETag><Size>{number}</Size></Part>'
        for number in numbers
    )
    next_marker = "" if marker is None else f"<NextPartNumberMarker>{marker}</NextPartNumberMarker>"
    flag = "true" if truncated else "false"
    return Scripted(f"{XML}<ListPartsResult><IsTruncated>{flag}</IsTruncated>{next_marker}{parts}</ListPartsResult>")


def _uploads(*uploads, next_key=None, truncated=True):
    entries = "".join(f"<Upload><Key>{key}</Key><UploadId>{one}</UploadId></Upload>" for key, one in uploads)
    markers = "" if next_key is None else f"<NextKeyMarker>{next_key}</NextKeyMarker>"
    flag = "true" if truncated else "false"
    body = f"<IsTruncated>{flag}</IsTruncated>{markers}{entries}"
    return Scripted(f"{XML}<ListMultipartUploadsResult>{body}</ListMultipartUploadsResult>")


def _query(request):
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query, keep_blank_values=True).items()}


# Settings


def test_takes_what_invenio_s3_gives():
    client = S3Client(
        access_key="",
        secret_key="",
        client_kwargs={"endpoint_url": "http://127.0.0.1:9", "region_name": "cesnet"},
        tenant=None,
        config_kwargs={"s3": {"addressing_style": "path"}, "signature_version": "s3v4"},
    )
    assert isinstance(client, Store)
    assert (client.endpoint_url, client.region, client.wire_bucket("b")) == ("http://127.0.0.1:9", "cesnet", "b")


@pytest.mark.parametrize(
    ("endpoint", "config", "expected"),
    [
        (None, {}, ("when_supported", "when_supported")),
        ("https://s3.eu-central-1.amazonaws.com", {}, ("when_supported", "when_supported")),
        ("https://s3.cn-north-1.amazonaws.com.cn", {}, ("when_supported", "when_supported")),
        ("https://s3.amazonaws.com.example.org", {}, ("when_required", "when_required")),
        ("https://s3.cesnet.cz", {}, ("when_required", "when_required")),
        (
            "https://s3.cesnet.cz",
            {"request_checksum_calculation": "when_supported"},
            ("when_supported", "when_required"),
        ),
        (
            "https://s3.cesnet.cz",
            {"response_checksum_validation": "WHEN_SUPPORTED"},
            ("when_required", "when_supported"),
        ),
        (None, {"request_checksum_calculation": "WHEN_REQUIRED"}, ("when_required", "when_supported")),
    ],
)
def test_checksums(endpoint, config, expected):
    client = S3Client("key", "secret", {"endpoint_url": endpoint}, config)
    for one in (client._client, client._complete_client):
        found = one.meta.config
        assert (found.request_checksum_calculation, found.response_checksum_validation) == expected


def test_an_endpoint_from_the_environment_counts(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.cesnet.cz")
    client = S3Client("key", "secret")
    assert client.endpoint_url == "https://s3.cesnet.cz"
    assert client._client.meta.config.request_checksum_calculation == "when_required"


def test_defaults_and_what_the_operator_may_set():
    client = S3Client(
        "key", "secret", NOWHERE, {"tcp_keepalive": True, "read_timeout": 1, "retries": {"mode": "legacy"}}
    )
    config, complete = client._client.meta.config, client._complete_client.meta.config
    assert client.region == "us-east-1"
    assert (config.signature_version, config.s3["addressing_style"], config.tcp_keepalive) == ("s3v4", "path", True)
    assert (config.read_timeout, config.connect_timeout, config.max_pool_connections) == (30, 10, 16)
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert (complete.read_timeout, complete.retries["total_max_attempts"]) == (300, 1)
    virtual = S3Client("key", "secret", NOWHERE, {"s3": {"addressing_style": "virtual"}, "connect_timeout": 3})
    assert virtual._client.meta.config.s3["addressing_style"] == "virtual"
    assert virtual._client.meta.config.connect_timeout == 3


def test_the_region_of_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert S3Client("key", "secret", NOWHERE).region == "eu-west-1"
    assert S3Client("key", "secret", {"region_name": "cesnet", **NOWHERE}).region == "cesnet"


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"secret_key": None}, "S3_SECRET_ACCESS_KEY"),
        ({"client_kwargs": {"endpoint_url": "s3.cesnet.cz"}}, "S3_ENDPOINT_URL"),
        ({"client_kwargs": {"endpoint_url": "http://[::1"}}, "S3_ENDPOINT_URL"),
        ({"client_kwargs": {"endpoint_url": "http://under_score..cz"}}, "S3_ENDPOINT_URL"),
        ({"client_kwargs": {"verify": "/no/such/bundle.pem"}}, "S3_CA_BUNDLE"),
        ({"client_kwargs": {"endpoint": "x"}}, "client_kwargs"),
        ({"config_kwargs": {"signature_version": "s3"}}, "S3_SIGNATURE_VERSION"),
        ({"config_kwargs": {"signature_version": "v4"}}, "S3_SIGNATURE_VERSION"),
        ({"config_kwargs": {"request_checksum_calculation": "never"}}, "S3_CONFIG_EXTRA"),
        ({"config_kwargs": {"no_such_thing": 1}}, "S3_CONFIG_EXTRA"),
        ({"config_kwargs": {"s3": {"addressing_style": "diagonal"}}}, "S3_CONFIG_EXTRA"),
        ({"timeout": 0}, "S3_MULTIPART_STORE_TIMEOUT"),
        ({"complete_timeout": -1}, "S3_MULTIPART_COMPLETE_TIMEOUT"),
        ({"attempts": 0}, "S3_MULTIPART_STORE_ATTEMPTS"),
        ({"max_connections": 0}, "S3_MULTIPART_STORE_CONNECTIONS"),
    ],
)
def test_settings_that_cannot_work_are_named(arguments, setting):
    with pytest.raises(ConfigurationError) as wrong:
        S3Client(**({"access_key": "key", "secret_key": "secret", "client_kwargs": NOWHERE} | arguments))
    assert wrong.value.details["setting"] == setting


def test_the_repr_tells_no_secret():
    client = S3Client("the-key", "the-secret", {"endpoint_url": "https://user:password@s3.cesnet.cz:8443"})
    assert repr(client) == "<S3Client s3.cesnet.cz us-east-1>"


@pytest.mark.parametrize(("url", "expected"), [("https://amazonaws.com", False), ("https://s3.amazonaws.com", True)])
def test_is_aws(url, expected):
    assert is_aws(url) is expected


# Credentials


def test_explicit_credentials():
    credentials = S3Client("key", "secret", {"aws_session_token": "token", **NOWHERE}).credentials()
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("key", "secret", "token")
    assert credentials.expires_at is None


def test_no_credentials():
    client = S3Client(client_kwargs=NOWHERE)
    with pytest.raises(StoreRefused):
        client.credentials()
    with pytest.raises(StoreRefused, match="no credentials"):
        create(client)


def test_credentials_of_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "env-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
    assert S3Client(client_kwargs=NOWHERE).credentials().access_key == "env-key"


class _Refreshable:
    """Temporary credentials that somebody renews while we look."""

    def __init__(self, renewals: int) -> None:
        self._renewals = renewals
        self._looks = 0
        self._expiry_time = datetime(2030, 1, 1, tzinfo=UTC)

    def get_frozen_credentials(self):
        self._looks += 1
        if self._looks % 2 == 0 and self._renewals:
            self._renewals -= 1
            self._expiry_time += timedelta(hours=1)
        number = self._expiry_time.hour
        return SimpleNamespace(access_key=f"key-{number}", secret_key="s", token="t")


@pytest.mark.parametrize("renewals", [0, 1])
def test_expiry_and_keys_belong_together(monkeypatch, renewals):
    monkeypatch.setattr(boto3.session.Session, "get_credentials", lambda self: _Refreshable(renewals))
    credentials = S3Client(client_kwargs=NOWHERE).credentials()
    assert credentials.access_key == f"key-{renewals}"
    assert credentials.expires_at == datetime(2030, 1, 1, renewals, tzinfo=UTC)


def test_credentials_that_are_renewed_all_the_time_are_taken_at_last(monkeypatch):
    monkeypatch.setattr(boto3.session.Session, "get_credentials", lambda self: _Refreshable(9))
    assert S3Client(client_kwargs=NOWHERE).credentials().token == "t"


# Tenants


def test_the_tenant_goes_on_the_wire(scripted):
    client, server = scripted(CREATED, COMPLETED, tenant="acme")
    create(client)
    client.complete_upload("bucket", "a b", "id-1", PARTS)
    assert [urlsplit(request.path).path for request in server.requests] == [
        "/acme%3Abucket/key",
        "/acme%3Abucket/a%20b",
    ]


def test_without_a_tenant_names_are_checked(scripted):
    client, server = scripted(CREATED)
    with pytest.raises(StoreRefused) as refused:
        create(client, "acme:bucket")
    assert isinstance(refused.value.__cause__, ParamValidationError)
    assert server.requests == []


async def _asynchronous_call(endpoint):
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    async with aiobotocore.session.get_session().create_client("s3", endpoint_url=endpoint, **keys) as client:
        allow_any_bucket_name(client.meta.events)
        return await client.create_multipart_upload(Bucket="acme:bucket", Key="key")


def test_any_bucket_name_for_a_client_of_s3fs(scripted):
    import asyncio

    _, server = scripted(CREATED)
    assert asyncio.run(_asynchronous_call(server.endpoint))["UploadId"] == "id-1"
    assert server.requests[0].path.startswith("/acme%3Abucket/key")


# Creating


def test_create_sends_content_type_and_stamp_and_no_acl(scripted):
    client, server = scripted(CREATED)
    created = create(client)
    assert (created.upload_id, created.retried) == ("id-1", False)
    headers = {name.lower(): value for name, value in server.requests[0].headers.items()}
    assert (headers["content-type"], headers["x-amz-meta-oarepo-upload"]) == ("a/b", "stamp")
    assert [name for name in headers if "acl" in name or "checksum" in name] == []


def test_a_created_upload_tells_that_the_call_was_repeated(scripted, naps):
    client, server = scripted(error("InternalError", 500), CREATED, attempts=2)
    assert create(client).retried is True
    assert (len(server.requests), len(naps)) == (2, 1)


def test_an_open_first_attempt_is_remembered(scripted, naps):
    client, server = scripted(Scripted(hang_up=True), error("SlowDown", 503), attempts=2)
    with pytest.raises(StoreUnknownOutcome, match="earlier attempt"):
        create(client)
    assert len(server.requests) == 2


def test_a_busy_store_is_asked_as_often_as_set(scripted, naps):
    client, server = scripted(error("SlowDown", 503, Retry_After="7"), attempts=3)
    with pytest.raises(StoreRetryLater) as later:
        create(client)
    assert (len(server.requests), later.value.retry_after) == (3, 7)


def test_a_created_upload_without_an_id(scripted):
    client, _ = scripted(Scripted(f"{XML}<InitiateMultipartUploadResult/>"))
    with pytest.raises(StoreUnknownOutcome):
        create(client)


def test_a_stamp_that_is_no_ascii_is_not_sent(scripted):
    client, server = scripted(CREATED)
    with pytest.raises(StoreRefused):
        client.create_upload("bucket", "key", content_type="a/b", stamp="ž")
    assert server.requests == []


# Completing


def test_complete_is_sent_with_quoted_etags(scripted):
    client, server = scripted(COMPLETED)
    client.complete_upload("bucket", "key", "id-1", PARTS)
    part = f'<Part><PartNumber>1</PartNumber><ETag>"{"0" * 32}"</ETag></Part>'
    assert part in server.requests[0].body.replace("&quot;", '"')


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Scripted(hang_up=True), StoreUnknownOutcome),
        (Scripted(COMPLETED.body, cut=True), StoreUnknownOutcome),
        (Scripted(COMPLETED.body[:-20]), StoreUnknownOutcome),
        (error("InternalError", 200), StoreUnknownOutcome),
        (error("SlowDown", 200), StoreRetryLater),
        (error("InvalidPart", 200), StorePartsRefused),
        (error("NoSuchUpload", 200), StoreUploadGone),
        (error("AccessDenied", 200), StoreRefused),
        (error("InternalError", 500), StoreUnknownOutcome),
        (Scripted("<html>nobody home</html>", 503), StoreUnknownOutcome),
        (Scripted("<html>no such page</html>", 404), StoreRefused),
    ],
)
def test_complete_is_tried_once(scripted, answer, expected):
    client, server = scripted(answer, attempts=5)
    with pytest.raises(expected) as outcome:
        client.complete_upload("bucket", "key", "id-1", PARTS)
    assert type(outcome.value) is expected
    assert len(server.requests) == 1
    assert "secret words" not in str(outcome.value)


@pytest.mark.parametrize("numbers", [[], [2, 1], [1, 1]])
def test_a_list_without_order_is_not_sent(scripted, numbers):
    client, server = scripted(COMPLETED)
    with pytest.raises(StorePartsRefused):
        client.complete_upload("bucket", "key", "id-1", [StoredPart(number, 1, "e") for number in numbers])
    assert server.requests == []


# Aborting, deleting, HEAD


def test_what_is_gone_is_aborted_and_deleted(scripted):
    client, server = scripted(error("NoSuchUpload", 404), error("NoSuchKey", 404))
    client.abort_upload("bucket", "key", "id-1")
    client.abort_upload("bucket", "key", "id-1")
    client.delete_object("bucket", "key")
    assert [request.method for request in server.requests] == ["DELETE"] * 3


def test_other_refusals_are_raised(scripted):
    client, _ = scripted(error("AccessDenied", 403))
    for call in (lambda: client.abort_upload("bucket", "key", "id"), lambda: client.delete_object("bucket", "key")):
        with pytest.raises(StoreRefused, match="AccessDenied"):
            call()


def test_head(scripted):
    headers = {"ETag": 'W/"abc-2"', "X-Amz-Meta-Oarepo-Upload": "stamp", "Content-Type": "a/b", "Content-Length": "7"}
    client, _ = scripted(Scripted(headers=headers), Scripted(headers={"Content-Length": "7"}), Scripted(status=404))
    stored = client.head_object("bucket", "key")
    assert (stored.size, stored.etag, stored.stamp, stored.content_type) == (7, "abc-2", "stamp", "a/b")
    stored = client.head_object("bucket", "key")
    assert (stored.etag, stored.stamp) == ("", None)
    assert client.head_object("bucket", "key") is None


def test_head_that_fails(scripted):
    client, _ = scripted(Scripted(status=403), Scripted(status=500))
    with pytest.raises(StoreRefused):
        client.head_object("bucket", "key")
    with pytest.raises(StoreRetryLater):
        client.head_object("bucket", "key")


# Listing parts


def test_an_empty_upload_has_no_parts(scripted):
    client, _ = scripted(_listing([]))
    assert client.list_parts("bucket", "key", "id") == []


@pytest.mark.parametrize(
    "pages",
    [
        [_listing([1, 2], truncated=True, marker=2), _listing([3])],
        # No marker; a marker that stands still; a part on both pages; out of order.
        [_listing([1, 2], truncated=True), _listing([3])],
        [_listing([1, 2], truncated=True, marker=0), _listing([3])],
        [_listing([1, 2], truncated=True, marker=2), _listing([2, 3])],
        [_listing([2, 1], truncated=True, marker=1), _listing([3, 2])],
        # More is promised, and there is none.
        [_listing([1, 2, 3], truncated=True, marker=3), _listing([], truncated=True, marker=3)],
        [_listing([1], truncated=True), _listing([2], truncated=True), _listing([3])],
    ],
)
def test_pages_are_merged_by_number(scripted, pages):
    client, server = scripted(*pages)
    parts = client.list_parts("bucket", "key", "id")
    assert [(part.number, part.size, part.etag) for part in parts] == [(1, 1, "e1"), (2, 2, "e2"), (3, 3, "e3")]
    assert len(server.requests) == len(pages)
    assert "part-number-marker" not in _query(server.requests[0])
    assert _query(server.requests[1])["part-number-marker"] in ("1", "2", "3")


def test_a_listing_that_repeats_itself_ends(scripted):
    client, server = scripted(_listing([1, 2], truncated=True, marker=2))
    with pytest.raises(StoreRefused, match="no end"):
        client.list_parts("bucket", "key", "id")
    assert len(server.requests) == 2


def test_a_listing_without_end_is_cut(scripted, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_PAGES", 3)
    client, server = scripted(*(_listing([number], truncated=True) for number in range(1, 9)))
    with pytest.raises(StoreRefused, match="no end"):
        client.list_parts("bucket", "key", "id")
    assert len(server.requests) == 3


def test_a_listing_that_cannot_be_read(scripted):
    client, _ = scripted(Scripted(_listing([1]).body.replace("<Size>1", "<Size>one")))
    with pytest.raises(StoreRetryLater):
        client.list_parts("bucket", "key", "id")


# Listing uploads


def test_uploads_page_by_page(scripted):
    client, server = scripted(_uploads(("a", "1"), ("b", "2"), next_key="b"), _uploads(("b", "3"), truncated=False))
    listing = client.list_uploads("bucket", "prefix/")
    assert next(listing) == ListedUpload("a", "1")
    assert len(server.requests) == 1
    assert [upload.upload_id for upload in listing] == ["2", "3"]
    first, second = (_query(request) for request in server.requests)
    assert (first["prefix"], "key-marker" in first) == ("prefix/", False)
    assert (second["prefix"], second["key-marker"], second["upload-id-marker"]) == ("prefix/", "b", "2")


def test_no_uploads(scripted):
    client, _ = scripted(_uploads())
    assert list(client.list_uploads("bucket")) == []


def test_a_listing_of_uploads_that_repeats_itself_ends(scripted):
    client, server = scripted(_uploads(("a", "1")))
    with pytest.raises(StoreRefused, match="no end"):
        list(client.list_uploads("bucket"))
    assert len(server.requests) == 2


def test_a_listing_of_uploads_without_end_is_cut(scripted, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_PAGES", 3)
    client, server = scripted(*(_uploads(("a", str(number))) for number in range(9)))
    with pytest.raises(StoreRefused, match="no end"):
        list(client.list_uploads("bucket"))
    assert len(server.requests) == 3
