# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What a part URL is good for at real stores."""

import pytest

from oarepo_s3.errors import StoreUploadGone
from tests.store.stores import StoreCase, content_md5, put

BODY = b"0123456789"


@pytest.mark.parametrize("body", [BODY + b"!", BODY[:-1], b""], ids=["longer", "shorter", "empty"])
def test_a_pinned_length(real_case: StoreCase, body: bytes):
    upload_id = real_case.create("key").upload_id
    url = real_case.signer("key", upload_id).url(1, content_length=len(BODY))
    if real_case.facts.checks_requests:
        assert put(url, body).status == 403
        assert real_case.store.list_parts(real_case.s3_bucket, "key", upload_id) == []
    assert put(url, BODY).status == 200
    assert [part.size for part in real_case.store.list_parts(real_case.s3_bucket, "key", upload_id)] == [len(BODY)]


def test_a_pinned_md5(real_case: StoreCase):
    upload_id = real_case.create("key").upload_id
    url = real_case.signer("key", upload_id).url(1, content_md5=content_md5(BODY))
    if real_case.facts.checks_requests:
        assert put(url, BODY).status == 403
        assert put(url, BODY[::-1], {"Content-MD5": content_md5(BODY[::-1])}).status == 403
        assert real_case.store.list_parts(real_case.s3_bucket, "key", upload_id) == []
    assert put(url, BODY, {"Content-MD5": content_md5(BODY)}).status == 200


def test_a_damaged_part(checking_case: StoreCase):
    upload_id = checking_case.create("key").upload_id
    url = checking_case.signer("key", upload_id).url(1, content_md5=content_md5(BODY))
    answer = put(url, BODY[::-1], {"Content-MD5": content_md5(BODY)})
    assert (answer.status, "BadDigest" in answer.text) == (400, True)
    if checking_case.facts.keeps_damaged:
        assert checking_case.store.list_parts(checking_case.s3_bucket, "key", upload_id) == []
    else:
        with pytest.raises(StoreUploadGone):
            checking_case.store.list_parts(checking_case.s3_bucket, "key", upload_id)


def test_a_url_is_good_for_its_part_only(checking_case: StoreCase):
    upload_id = checking_case.create("key").upload_id
    url = checking_case.signer("key", upload_id).url(1)
    assert put(url.replace("partNumber=1", "partNumber=2"), BODY).status == 403
    assert put(url.replace(upload_id, checking_case.create("other").upload_id), BODY).status == 403
    assert checking_case.store.list_parts(checking_case.s3_bucket, "key", upload_id) == []
