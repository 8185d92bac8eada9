# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What the URL of one put is good for at real stores."""

import hashlib

import pytest

from oarepo_s3.store.client import S3Client
from oarepo_s3.store.contract import StoredObject
from oarepo_s3.store.presign import Presigner
from tests.store.stores import CONTENT_TYPE, StoreCase, content_md5, md5_hex, put

BODY = b"0123456789"


def put_url(case: StoreCase, body: bytes = BODY) -> tuple[str, dict[str, str]]:
    """A URL as uploads in one put have it, and the headers to send."""
    store = case.store
    assert isinstance(store, S3Client)
    presigner = Presigner(endpoint_url=store.endpoint_url, region=store.region, credentials=store.credentials)
    signed = presigner.put_object(
        s3_bucket=store.wire_bucket(case.s3_bucket),
        key="key",
        expires_in=600,
        content_length=len(body),
        content_md5=content_md5(body),
        content_type=CONTENT_TYPE,
    )
    return signed.url, {"Content-MD5": content_md5(body), "Content-Type": CONTENT_TYPE}


@pytest.mark.parametrize("body", [BODY, b""], ids=["bytes", "empty"])
def test_the_file_arrives_and_may_arrive_again(real_case: StoreCase, body: bytes):
    url, headers = put_url(real_case, body)
    for _ in range(2):
        answer = put(url, body, headers)
        assert (answer.status, answer.etag) == (200, md5_hex(body))
        found = real_case.store.head_object(real_case.s3_bucket, "key")
        assert found == StoredObject(len(body), hashlib.md5(body).hexdigest(), None, CONTENT_TYPE)
    real_case.store.delete_object(real_case.s3_bucket, "key")
    real_case.store.delete_object(real_case.s3_bucket, "key")
    assert real_case.store.head_object(real_case.s3_bucket, "key") is None


OTHERS = {
    "other bytes": (BODY[::-1], {}, 400),
    "other bytes with their own MD5": (BODY[::-1], {"Content-MD5": content_md5(BODY[::-1])}, 403),
    "longer": (BODY + b"!", {"Content-MD5": content_md5(BODY + b"!")}, 403),
    "no MD5": (BODY, {"Content-MD5": None}, 403),
    "other type": (BODY, {"Content-Type": "text/html"}, 403),
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("there", [False, True], ids=["new", "again"])
def test_nothing_else_can_be_put(checking_case: StoreCase, what: str, there: bool):
    url, headers = put_url(checking_case)
    if there:
        assert put(url, BODY, headers).status == 200
    body, changed, status = OTHERS[what]
    sent = {name: value for name, value in {**headers, **changed}.items() if value is not None}
    assert put(url, body, sent).status == status
    found = checking_case.store.head_object(checking_case.s3_bucket, "key")
    assert (None if found is None else found.etag) == (md5_hex(BODY) if there else None)


def test_the_url_is_good_for_its_key_only(checking_case: StoreCase):
    url, headers = put_url(checking_case)
    assert put(url.replace("/key?", "/other?"), BODY, headers).status == 403
    assert checking_case.store.head_object(checking_case.s3_bucket, "other") is None
