# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What presigned URLs look like, when they end, and what is refused. Signatures are compared in tests/property."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from oarepo_s3.errors import (
    ConfigurationError,
    InvalidChecksum,
    InvalidExpiry,
    InvalidKey,
    InvalidPartNumber,
    InvalidSize,
)
from oarepo_s3.store import sigv4
from oarepo_s3.store.presign import AddressingStyle, Credentials, Presigner

NOW = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)
START = NOW.replace(microsecond=0)
CREDENTIALS = Credentials("access", "very-secret", "session-token")
MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="


def make_presigner(**changes):
    arguments = {
        "endpoint_url": "https://s3.example.org",
        "region": "us-east-1",
        "credentials": lambda: CREDENTIALS,
        "clock": lambda: NOW,
    }
    return Presigner(**{**arguments, **changes})


def make_signer(presigner=None, **changes):
    arguments = {"s3_bucket": "bucket", "key": "a b/c.zip", "upload_id": "u/1", "expires_in": 3600}
    return (presigner or make_presigner()).upload(**{**arguments, **changes})


def query_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


def test_the_example_in_the_documentation_of_amazon():
    # "Authenticating Requests: Using Query Parameters" in the API reference of Amazon S3.
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    presigner = make_presigner(
        endpoint_url="https://s3.amazonaws.com",
        credentials=lambda: credentials,
        addressing_style=AddressingStyle.VIRTUAL,
        clock=lambda: datetime(2013, 5, 24, tzinfo=UTC),
    )
    presigned = presigner.get_object(s3_bucket="examplebucket", key="test.txt", expires_in=86400)
    assert presigned.url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    assert presigned.expires_at == datetime(2013, 5, 25, tzinfo=UTC)


def test_part_url():
    url = make_signer().url(12)
    assert url.startswith("https://s3.example.org/bucket/a%20b/c.zip?partNumber=12&uploadId=u%2F1&X-Amz-Algorithm=")
    query = query_of(url)
    assert len(query.pop("X-Amz-Signature")) == 64
    assert query == {
        "partNumber": "12",
        "uploadId": "u/1",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "access/20260304/us-east-1/s3/aws4_request",
        "X-Amz-Date": "20260304T050607Z",
        "X-Amz-Expires": "3600",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Security-Token": "session-token",
    }


def test_each_part_number_has_its_own_signature():
    urls = make_signer().urls(range(1, 101))
    assert len({query_of(url)["X-Amz-Signature"] for url in urls.values()}) == 100


def test_a_signer_is_not_changed_by_signing():
    signer = make_signer()
    first = signer.url(1), signer.url(1, content_length=5, content_md5=MD5)
    signer.url(2)
    assert (signer.url(1), signer.url(1, content_length=5, content_md5=MD5)) == first


@pytest.mark.parametrize(
    ("pinned", "signed_headers"),
    [
        ({}, "host"),
        ({"content_length": 0}, "content-length;host"),
        ({"content_md5": MD5}, "content-md5;host"),
        ({"content_length": 5, "content_md5": MD5}, "content-length;content-md5;host"),
    ],
)
def test_pinned_headers_are_signed(pinned, signed_headers):
    assert query_of(make_signer().url(1, **pinned))["X-Amz-SignedHeaders"] == signed_headers


def test_the_pinned_value_is_a_part_of_the_signature():
    signer = make_signer()
    signatures = {query_of(signer.url(1, content_length=length))["X-Amz-Signature"] for length in (5, 6, None)}
    assert len(signatures) == 3


def test_many_urls_at_once_equal_single_ones():
    signer = make_signer()
    assert signer.urls([3, 1]) == {3: signer.url(3), 1: signer.url(1)}
    sizes = {1: 5, 2: None}
    assert signer.urls([1, 2], content_length_of=sizes.get) == {1: signer.url(1, content_length=5), 2: signer.url(2)}


@pytest.mark.parametrize("part_number", [1, 7])
def test_part_numbers_within_the_limit(part_number):
    assert f"partNumber={part_number}&" in make_signer(make_presigner(max_part_number=7)).url(part_number)


@pytest.mark.parametrize("part_number", [0, -1, 8, True, 1.5, "1", None])
def test_part_numbers_outside_the_limit(part_number):
    signer = make_signer(make_presigner(max_part_number=7))
    with pytest.raises(InvalidPartNumber, match="from 1 to 7"):
        signer.url(part_number)


def test_the_default_limit_is_that_of_s3():
    signer = make_signer()
    assert "partNumber=10000&" in signer.url(10_000)
    with pytest.raises(InvalidPartNumber):
        signer.url(10_001)


@pytest.mark.parametrize("content_length", [-1, 1.0, True, "5"])
def test_wrong_content_length(content_length):
    with pytest.raises(InvalidSize):
        make_signer().url(1, content_length=content_length)


@pytest.mark.parametrize("content_md5", ["", "abc", MD5 + "\n", "\n" + MD5, MD5[:-1], "1B2M2Y8AsgTpgAmY7PhCfh=="])
def test_wrong_content_md5(content_md5):
    with pytest.raises(InvalidChecksum):
        make_signer().url(1, content_md5=content_md5)


@pytest.mark.parametrize("expires_in", [1, 604_800])
def test_expiry_within_the_limits(expires_in):
    signer = make_signer(expires_in=expires_in)
    assert signer.expires_at == START + timedelta(seconds=expires_in)
    assert signer.expires_at.tzinfo is UTC
    assert query_of(signer.url(1))["X-Amz-Expires"] == str(expires_in)


@pytest.mark.parametrize("expires_in", [0, -5, 604_801, 60.0, True, "60"])
def test_expiry_outside_the_limits(expires_in):
    presigner = make_presigner()
    with pytest.raises(InvalidExpiry, match="604800"):
        make_signer(presigner, expires_in=expires_in)
    with pytest.raises(InvalidExpiry, match="604800"):
        presigner.get_object(s3_bucket="b", key="k", expires_in=expires_in)


@pytest.mark.parametrize(
    ("credentials_end", "upload_end", "seconds"),
    [
        (None, None, 600),
        (700, None, 600),
        (300, None, 300),
        (None, 300, 300),
        (300, 200, 200),
        (200, 300, 200),
        (None, 1.75, 1),
        (1, 600, 1),
    ],
)
def test_a_url_outlives_neither_its_credentials_nor_its_upload(credentials_end, upload_end, seconds):
    def after(end):
        return None if end is None else START + timedelta(seconds=end)

    credentials = replace(CREDENTIALS, expires_at=after(credentials_end))
    presigner = make_presigner(credentials=lambda: credentials)
    signer = make_signer(presigner, expires_in=600, not_after=after(upload_end))
    assert signer.expires_at == START + timedelta(seconds=seconds)
    assert query_of(signer.url(1))["X-Amz-Expires"] == str(seconds)
    presigned = presigner.put_object(s3_bucket="b", key="k", expires_in=600, not_after=after(upload_end))
    assert presigned.expires_at == signer.expires_at


@pytest.mark.parametrize("seconds_left", [0.5, 0, -1, -86400])
def test_less_than_a_second_left(seconds_left):
    end = START + timedelta(seconds=seconds_left)
    presigner = make_presigner(credentials=lambda: replace(CREDENTIALS, expires_at=end))
    with pytest.raises(InvalidExpiry, match="credentials"):
        make_signer(presigner)
    with pytest.raises(InvalidExpiry, match="upload"):
        make_signer(not_after=end)


def test_time_zones_are_converted():
    east = timezone(timedelta(hours=9))
    signer = make_signer(
        make_presigner(clock=lambda: NOW.astimezone(east)), not_after=NOW.astimezone(east) + timedelta(1)
    )
    assert query_of(signer.url(1))["X-Amz-Date"] == "20260304T050607Z"
    assert signer.expires_at == START + timedelta(hours=1)


def test_naive_datetimes_are_refused():
    with pytest.raises(ValueError, match="time zone"):
        make_signer(make_presigner(clock=lambda: datetime(2026, 3, 4)))
    with pytest.raises(ValueError, match="time zone"):
        make_signer(not_after=datetime(2036, 3, 4))


def test_the_default_clock_is_the_time_now():
    presigner = Presigner(endpoint_url="https://h", region="r", credentials=lambda: CREDENTIALS)
    before = datetime.now(UTC).replace(microsecond=0)
    expires_at = make_signer(presigner, expires_in=60).expires_at
    assert before <= expires_at - timedelta(seconds=60) <= datetime.now(UTC)


@pytest.fixture
def derived(monkeypatch):
    """The (secret, day) of each signing key that is derived."""
    calls = []

    def derive(secret_key, day, region):
        calls.append((secret_key, day))
        return original(secret_key, day, region)

    original = sigv4.SigningKey
    monkeypatch.setattr(sigv4, "SigningKey", derive)
    return calls


def test_the_signing_key_is_derived_once_per_day_and_secret(derived):
    now = datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC)
    credentials = CREDENTIALS
    presigner = make_presigner(clock=lambda: now, credentials=lambda: credentials)
    before_midnight = make_signer(presigner).url(1)
    credentials = replace(credentials, access_key="renamed", token=None)
    make_signer(presigner)
    assert derived == [("very-secret", "20260304")]

    now += timedelta(seconds=1)
    credentials = CREDENTIALS
    after_midnight = make_signer(presigner).url(1)
    assert derived[1:] == [("very-secret", "20260305")]
    assert "20260305%2Fus-east-1" in after_midnight
    assert after_midnight == make_signer(make_presigner(clock=lambda: now)).url(1)
    assert after_midnight != before_midnight

    del derived[:]
    credentials = replace(CREDENTIALS, secret_key="rotated")
    rotated = make_signer(presigner).url(1)
    assert derived == [("rotated", "20260305")]
    assert rotated != after_midnight


def test_a_signer_keeps_its_moment_and_credentials():
    now = datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC)
    credentials = CREDENTIALS
    signer = make_signer(make_presigner(clock=lambda: now, credentials=lambda: credentials))
    before = signer.url(1)
    now += timedelta(days=1)
    credentials = replace(CREDENTIALS, secret_key="rotated")
    assert signer.url(1) == before


PATH, VIRTUAL = AddressingStyle.PATH, AddressingStyle.VIRTUAL


@pytest.mark.parametrize(
    ("endpoint_url", "style", "s3_bucket", "begin"),
    [
        ("https://s3.org/", PATH, "bucket", "https://s3.org/bucket/k?"),
        ("http://s3.org:80", PATH, "bucket", "http://s3.org:80/bucket/k?"),
        ("http://S3.org:8080/a/b/", PATH, "bucket", "http://S3.org:8080/a/b/bucket/k?"),
        ("http://[::1]:9000", VIRTUAL, "bucket", "http://[::1]:9000/bucket/k?"),
        ("http://127.0.0.1:9000", VIRTUAL, "bucket", "http://127.0.0.1:9000/bucket/k?"),
        ("https://s3.org", PATH, "tenant:bucket", "https://s3.org/tenant%3Abucket/k?"),
        ("https://s3.org", VIRTUAL, "tenant:bucket", "https://s3.org/tenant%3Abucket/k?"),
        ("https://s3.org:444/p", VIRTUAL, "bucket", "https://bucket.s3.org:444/p/k?"),
        ("https://s3.org", "virtual", "my.bucket", "https://s3.org/my.bucket/k?"),
        ("http://s3.org", VIRTUAL, "my.bucket", "http://my.bucket.s3.org/k?"),
        ("http://127.0.0.1", VIRTUAL, "my.bucket", "http://127.0.0.1/my.bucket/k?"),
        ("http://s3.org", VIRTUAL, "1.2.3.4", "http://s3.org/1.2.3.4/k?"),
        ("http://s3.org", VIRTUAL, "My", "http://s3.org/My/k?"),
        ("http://s3.org", VIRTUAL, "-bucket", "http://s3.org/-bucket/k?"),
    ],
)
def test_where_the_object_is(endpoint_url, style, s3_bucket, begin):
    presigner = make_presigner(endpoint_url=endpoint_url, addressing_style=style)
    assert make_signer(presigner, s3_bucket=s3_bucket, key="k").url(1).startswith(begin)


def signature(endpoint_url):
    return query_of(make_signer(make_presigner(endpoint_url=endpoint_url)).url(1))["X-Amz-Signature"]


def test_the_default_port_is_not_signed():
    assert signature("http://s3.org:80") == signature("http://S3.org") == signature("https://s3.org:443")
    assert len({signature(f"http://s3.org:{port}") for port in (80, 443, 8080)}) == 3


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("ž ů/漢字 😀", "%C5%BE%20%C5%AF/%E6%BC%A2%E5%AD%97%20%F0%9F%98%80"),
        ("~-_.+%25?#&=\"'", "~-_.%2B%2525%3F%23%26%3D%22%27"),
        ("/a//b/", "/a//b/"),
        ("../../x", "../../x"),
    ],
)
def test_keys_are_encoded(key, path):
    assert urlsplit(make_signer(key=key).url(1)).path == "/bucket/" + path


@pytest.mark.parametrize(
    "endpoint_url",
    [
        "",
        "s3.org",
        "ftp://s3.org",
        "https://",
        "https://user:password@s3.org",
        "https://s3.org?query",
        "https://s3.org/#fragment",
        "https://s3.org/a%20b",
        "https://s3.org/a/../b",
        "https://s3.org/.",
        "https://s3.org:port",
        "https://s3.org:65536",
        "https://s3.org\n",
    ],
)
def test_bad_endpoints(endpoint_url):
    with pytest.raises(ConfigurationError, match="endpoint_url") as raised:
        make_presigner(endpoint_url=endpoint_url)
    assert "password" not in str(raised.value)


@pytest.mark.parametrize("region", ["", "eu/west", "a b", "-eu", "eu-", "eu\n", "123", "a" * 64])
def test_bad_regions(region):
    with pytest.raises(ConfigurationError, match="region"):
        make_presigner(region=region)


def test_other_bad_arguments():
    with pytest.raises(ConfigurationError, match="max_part_number"):
        make_presigner(max_part_number=0)
    with pytest.raises(ValueError, match="AddressingStyle"):
        make_presigner(addressing_style="auto")
    with pytest.raises(InvalidKey):
        make_signer(key="")
    with pytest.raises(ValueError, match="bucket"):
        make_signer(s3_bucket="")
    with pytest.raises(ValueError, match="upload id"):
        make_signer(upload_id="")


def test_download_url():
    presigned = make_presigner().get_object(
        s3_bucket="bucket",
        key="k",
        expires_in=60,
        response_content_type="text/plain; charset=utf-8",
        response_content_disposition="attachment; filename*=UTF-8''%C5%BE",
    )
    assert presigned.expires_at == START + timedelta(seconds=60)
    query = query_of(presigned.url)
    assert query["response-content-type"] == "text/plain; charset=utf-8"
    assert query["response-content-disposition"] == "attachment; filename*=UTF-8''%C5%BE"


def test_upload_of_a_whole_object():
    presigner = make_presigner()
    plain = presigner.put_object(s3_bucket="bucket", key="k", expires_in=60)
    assert query_of(plain.url)["X-Amz-SignedHeaders"] == "host"
    pinned = presigner.put_object(
        s3_bucket="bucket", key="k", expires_in=60, content_length=0, content_md5=MD5, content_type="text/plain"
    )
    assert query_of(pinned.url)["X-Amz-SignedHeaders"] == "content-length;content-md5;content-type;host"


def test_white_space_in_a_content_type_is_not_significant():
    presigner = make_presigner()
    urls = {
        presigner.put_object(s3_bucket="b", key="k", expires_in=9, content_type=content_type).url
        for content_type in ("text/plain; charset=utf-8", " text/plain;  charset=utf-8\n")
    }
    assert len(urls) == 1


def test_nothing_secret_is_shown():
    presigner = make_presigner()
    signer = make_signer(presigner)
    presigned = presigner.get_object(s3_bucket="b", key="k", expires_in=60)
    shown = "".join(map(repr, (CREDENTIALS, presigner, signer, presigned)))
    for hidden in ("very-secret", "session-token", "X-Amz", "https://"):
        assert hidden not in shown
    assert "2026" in repr(presigned)
