# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Our presigned URLs are byte for byte those of botocore."""

import base64
import string
from datetime import UTC, datetime
from unittest import mock

import botocore.session
from botocore.config import Config
from botocore.handlers import validate_bucket_name
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from oarepo_s3.store.presign import AddressingStyle, Credentials, Presigner

LOWER = string.ascii_lowercase + string.digits
PRINTABLE = string.ascii_letters + string.digits + string.punctuation

# One session, so that the descriptions of the service are read only once.
SESSION = botocore.session.Session()

text = st.text(st.characters(codec="utf-8"), min_size=1)
keys = text | st.text("ab/. ~+%\"'?#&=;:\\\nžů漢😀", min_size=1) | st.sampled_from(["../../x", "//", "/", "a/./b"])
upload_ids = text | st.text(PRINTABLE, min_size=1)
dns_names = st.text(LOWER + "-.", min_size=1, max_size=66).filter(lambda name: not name.endswith("-s3"))
tenants = st.builds("{}:{}".format, st.text(LOWER + "_$", min_size=1, max_size=8), dns_names)
buckets = st.sampled_from(["bucket", "my.bucket", "My_Bucket", "1.2.3.4"]) | dns_names | tenants
hosts = st.sampled_from(["s3.example.org", "S3.Example.ORG", "localhost", "127.0.0.1", "[::1]", "s3.amazonaws.com"])
ports = st.sampled_from(["", ":80", ":443", ":9000"]) | st.integers(1, 65535).map(":{}".format)
prefixes = st.sampled_from(["", "/", "/swift", "/a/b-c_d.e~/"])
endpoints = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https"]), hosts, ports, prefixes)
regions = st.sampled_from(["us-east-1", "eu-west-1", "auto", "default"]) | st.from_regex(
    r"[A-Za-z]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True
)
credentials = st.builds(Credentials, text, text, st.none() | text | st.just("") | st.text(PRINTABLE, min_size=300))
sizes = st.none() | st.integers(0, 5 * 2**30)
md5s = st.none() | st.binary(min_size=16, max_size=16).map(lambda digest: base64.b64encode(digest).decode())
stores = st.fixed_dictionaries(
    {
        "endpoint_url": endpoints,
        "region": regions,
        "credentials": credentials,
        "addressing_style": st.sampled_from(AddressingStyle),
        "now": st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    }
)
expiries = st.integers(1, 604_800)


def presigner(store, s3_bucket):
    # Over http botocore sets a bucket with dots before an IP address too (my.bucket.127.0.0.1): no such host can exist.
    ip_address = store["endpoint_url"].startswith(("http://127.", "http://["))
    assume(not (ip_address and store["addressing_style"] is AddressingStyle.VIRTUAL and "." in s3_bucket))
    return Presigner(
        endpoint_url=store["endpoint_url"],
        region=store["region"],
        credentials=lambda: store["credentials"],
        addressing_style=store["addressing_style"],
        clock=lambda: store["now"],
    )


def presign_with_botocore(store, operation, expires_in, **parameters):
    client = SESSION.create_client(
        "s3",
        endpoint_url=store["endpoint_url"],
        region_name=store["region"],
        aws_access_key_id=store["credentials"].access_key,
        aws_secret_access_key=store["credentials"].secret_key,
        aws_session_token=store["credentials"].token,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": str(store["addressing_style"])},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    given = {name: value for name, value in parameters.items() if value is not None}
    with mock.patch("botocore.auth.get_current_datetime", return_value=store["now"].replace(tzinfo=None)):
        return client.generate_presigned_url(operation, Params=given, ExpiresIn=expires_in)


EXAMPLE_STORE = {
    "endpoint_url": "https://s3.example.org:443/",
    "region": "us-east-1",
    "credentials": Credentials("access/key", "secret", "to+ken=="),
    "addressing_style": AddressingStyle.VIRTUAL,
    "now": datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
}


@settings(deadline=None)
@given(
    stores, buckets, keys, upload_ids, st.lists(st.integers(1, 10_000), min_size=1, max_size=3), expiries, sizes, md5s
)
@example(EXAMPLE_STORE, "tenant:bucket", 'a/b c/ž"ů?.zip', "2~u+/=", [1, 10_000], 604_800, 5 * 2**20, None)
@example(EXAMPLE_STORE, "bucket", "../../x", "u%2F", [2, 1, 2], 1, 0, "1B2M2Y8AsgTpgAmY7PhCfg==")
def test_parts(store, s3_bucket, key, upload_id, part_numbers, expires_in, content_length, content_md5):
    signer = presigner(store, s3_bucket).upload(
        s3_bucket=s3_bucket, key=key, upload_id=upload_id, expires_in=expires_in
    )
    upload = {"Bucket": s3_bucket, "Key": key}
    for number in part_numbers:
        part = {"PartNumber": number, "UploadId": upload_id}
        expected = presign_with_botocore(store, "upload_part", expires_in, **upload, **part)
        assert signer.url(number) == expected
        pinned = {"ContentLength": content_length, "ContentMD5": content_md5}
        expected = presign_with_botocore(store, "upload_part", expires_in, **upload, **part, **pinned)
        assert signer.url(number, content_length=content_length, content_md5=content_md5) == expected


@settings(deadline=None)
@given(stores, buckets, keys, st.none() | st.text(), st.none() | st.text(), expiries)
@example(EXAMPLE_STORE, "bucket", "k", "text/plain; charset=utf-8", "attachment; filename*=UTF-8''%C5%BE.zip", 60)
def test_downloads(store, s3_bucket, key, content_type, content_disposition, expires_in):
    presigned = presigner(store, s3_bucket).get_object(
        s3_bucket=s3_bucket,
        key=key,
        expires_in=expires_in,
        response_content_type=content_type,
        response_content_disposition=content_disposition,
    )
    assert presigned.url == presign_with_botocore(
        store,
        "get_object",
        expires_in,
        Bucket=s3_bucket,
        Key=key,
        ResponseContentType=content_type,
        ResponseContentDisposition=content_disposition,
    )


@settings(deadline=None)
@given(stores, buckets, keys, sizes, md5s, st.none() | st.text(string.printable, min_size=1), expiries)
@example(EXAMPLE_STORE, "bucket", "k", 0, None, " text/plain;  charset=utf-8", 60)
def test_whole_objects(store, s3_bucket, key, content_length, content_md5, content_type, expires_in):
    presigned = presigner(store, s3_bucket).put_object(
        s3_bucket=s3_bucket,
        key=key,
        expires_in=expires_in,
        content_length=content_length,
        content_md5=content_md5,
        content_type=content_type,
    )
    assert presigned.url == presign_with_botocore(
        store,
        "put_object",
        expires_in,
        Bucket=s3_bucket,
        Key=key,
        ContentLength=content_length,
        ContentMD5=content_md5,
        ContentType=content_type,
    )
