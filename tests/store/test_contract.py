# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The contract of a store, asked of each of them; see tests/store/stores.py for what they do differently."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from oarepo_s3.errors import StorePartsRefused, StoreRefused, StoreUploadGone
from oarepo_s3.store.contract import Store, StoredPart
from tests.store.stores import CONTENT_TYPE, MIB, STAMP, PartRefused, StoreCase, connect, md5_hex, unknown_upload_id

FIRST, LAST = b"a" * (5 * MIB), b"b" * 100


def test_the_client_has_all_the_calls(case: StoreCase):
    assert isinstance(case.store, Store)


def test_a_file_in_two_parts(case: StoreCase):
    created = case.create("key")
    assert created.retried is False
    assert case.store.list_parts(case.s3_bucket, "key", created.upload_id) == []
    case.put_part("key", created.upload_id, 1, FIRST)
    case.put_part("key", created.upload_id, 2, LAST)
    parts = case.store.list_parts(case.s3_bucket, "key", created.upload_id)
    assert [(part.number, part.size, part.etag) for part in parts] == [
        (1, len(FIRST), md5_hex(FIRST)),
        (2, len(LAST), md5_hex(LAST)),
    ]
    assert all(part.last_modified.tzinfo is not None for part in parts)
    assert case.store.head_object(case.s3_bucket, "key") is None
    case.store.complete_upload(case.s3_bucket, "key", created.upload_id, parts)
    stored = case.store.head_object(case.s3_bucket, "key")
    assert (stored.size, stored.stamp, stored.content_type) == (len(FIRST + LAST), STAMP, CONTENT_TYPE)
    etags = bytes.fromhex(md5_hex(FIRST) + md5_hex(LAST))
    composite = f"{hashlib.md5(etags).hexdigest()}-2"
    assert stored.etag == (composite if case.facts.composite_etag else md5_hex(FIRST + LAST))


def test_a_completed_upload_is_open_no_more(case: StoreCase):
    upload_id = case.upload("key", LAST)
    case.complete("key", upload_id)
    assert list(case.store.list_uploads(case.s3_bucket, "key")) == []
    if case.facts.lists_completed:
        assert [part.number for part in case.store.list_parts(case.s3_bucket, "key", upload_id)] == [1]
    else:
        with pytest.raises(StoreUploadGone):
            case.store.list_parts(case.s3_bucket, "key", upload_id)


def test_parts_are_listed_by_number(case: StoreCase):
    upload_id = case.create("key").upload_id
    for number in (3, 1, 2):
        case.put_part("key", upload_id, number, b"x" * number)
    parts = case.store.list_parts(case.s3_bucket, "key", upload_id)
    assert [(part.number, part.size) for part in parts] == [(1, 1), (2, 2), (3, 3)]


def test_a_part_put_again(case: StoreCase):
    upload_id = case.upload("key", LAST)
    if case.facts.replaces_parts:
        case.put_part("key", upload_id, 1, b"new")
    else:
        with pytest.raises(PartRefused, match="501 "):
            case.put_part("key", upload_id, 1, b"new")
    parts = case.store.list_parts(case.s3_bucket, "key", upload_id)
    kept = b"new" if case.facts.replaces_parts else LAST
    assert [(part.number, part.size, part.etag) for part in parts] == [(1, len(kept), md5_hex(kept))]


def _wrong_etag(parts: list[StoredPart]) -> list[StoredPart]:
    return [StoredPart(1, parts[0].size, "0" * 32), *parts[1:]]


def _not_stored(parts: list[StoredPart]) -> list[StoredPart]:
    return [*parts, StoredPart(2, 1, "0" * 32)]


def _none(parts: list[StoredPart]) -> list[StoredPart]:
    return []


def _twice(parts: list[StoredPart]) -> list[StoredPart]:
    return parts * 2


def _backwards(parts: list[StoredPart]) -> list[StoredPart]:
    return [*_not_stored(parts)][::-1]


@pytest.mark.parametrize("spoil", [_wrong_etag, _not_stored, _none, _twice, _backwards])
def test_a_wrong_list_of_parts_is_refused(case: StoreCase, spoil):
    upload_id = case.upload("key", FIRST)
    parts = case.store.list_parts(case.s3_bucket, "key", upload_id)
    with pytest.raises(StorePartsRefused):
        case.store.complete_upload(case.s3_bucket, "key", upload_id, spoil(parts))
    assert case.store.head_object(case.s3_bucket, "key") is None
    # Some lists do not get as far as the store.
    if case.facts.keeps_refused or spoil in (_none, _twice, _backwards):
        case.store.complete_upload(case.s3_bucket, "key", upload_id, parts)
        assert case.store.head_object(case.s3_bucket, "key").size == len(FIRST)
    else:
        with pytest.raises(StoreUploadGone):
            case.store.list_parts(case.s3_bucket, "key", upload_id)


def test_a_subset_of_the_stored_parts(case: StoreCase):
    upload_id = case.upload("key", LAST, b"dropped")
    parts = case.store.list_parts(case.s3_bucket, "key", upload_id)
    if case.facts.takes_subset:
        case.store.complete_upload(case.s3_bucket, "key", upload_id, parts[:1])
        assert case.store.head_object(case.s3_bucket, "key").size == len(LAST)
    else:
        with pytest.raises(StorePartsRefused):
            case.store.complete_upload(case.s3_bucket, "key", upload_id, parts[:1])


def test_a_part_that_is_too_small(case: StoreCase):
    upload_id = case.upload("key", LAST, LAST)
    if case.facts.min_part_size > len(LAST):
        with pytest.raises(StorePartsRefused):
            case.complete("key", upload_id)
        assert len(case.store.list_parts(case.s3_bucket, "key", upload_id)) == 2
    else:
        case.complete("key", upload_id)
        assert case.store.head_object(case.s3_bucket, "key").size == 2 * len(LAST)


def test_complete_twice(case: StoreCase):
    upload_id = case.upload("key", LAST)
    parts = case.store.list_parts(case.s3_bucket, "key", upload_id)
    case.store.complete_upload(case.s3_bucket, "key", upload_id, parts)
    before = case.store.head_object(case.s3_bucket, "key")
    if case.facts.complete_twice is None:
        case.store.complete_upload(case.s3_bucket, "key", upload_id, parts)
    else:
        with pytest.raises(case.facts.complete_twice):
            case.store.complete_upload(case.s3_bucket, "key", upload_id, parts)
    assert case.store.head_object(case.s3_bucket, "key") == before


def test_complete_of_an_unknown_upload_is_no_success(case: StoreCase):
    parts = [StoredPart(1, len(LAST), md5_hex(LAST))]
    with pytest.raises(case.facts.complete_unknown):
        case.store.complete_upload(case.s3_bucket, "key", unknown_upload_id(), parts)
    assert case.store.head_object(case.s3_bucket, "key") is None


def test_complete_of_an_aborted_upload_is_no_success(case: StoreCase):
    upload_id = case.upload("key", LAST)
    parts = case.store.list_parts(case.s3_bucket, "key", upload_id)
    case.store.abort_upload(case.s3_bucket, "key", upload_id)
    with pytest.raises(case.facts.complete_unknown):
        case.store.complete_upload(case.s3_bucket, "key", upload_id, parts)
    assert case.store.head_object(case.s3_bucket, "key") is None


def test_list_parts_of_an_unknown_upload(case: StoreCase):
    with pytest.raises(StoreUploadGone):
        case.store.list_parts(case.s3_bucket, "key", unknown_upload_id())


def test_abort_is_thorough_and_may_be_repeated(case: StoreCase):
    upload_id = case.upload("key", LAST)
    for _ in range(2):
        case.store.abort_upload(case.s3_bucket, "key", upload_id)
        with pytest.raises(StoreUploadGone):
            case.store.list_parts(case.s3_bucket, "key", upload_id)
    assert list(case.store.list_uploads(case.s3_bucket, "key")) == []
    # The words differ: NoSuchUpload, or a crash (moto).
    with pytest.raises((PartRefused, StoreUploadGone), match="NoSuchUpload|500 "):
        case.put_part("key", upload_id, 1, LAST)


def test_abort_of_an_unknown_upload_is_success(case: StoreCase):
    upload_id = case.upload("key", LAST)
    case.store.abort_upload(case.s3_bucket, "key", unknown_upload_id())
    assert [part.number for part in case.store.list_parts(case.s3_bucket, "key", upload_id)] == [1]


def test_abort_of_a_completed_upload_leaves_the_object(case: StoreCase):
    upload_id = case.upload("key", LAST)
    case.complete("key", upload_id)
    case.store.abort_upload(case.s3_bucket, "key", upload_id)
    assert case.store.head_object(case.s3_bucket, "key").size == len(LAST)


def test_delete_may_be_repeated(case: StoreCase):
    case.complete("key", case.upload("key", LAST))
    for _ in range(2):
        case.store.delete_object(case.s3_bucket, "key")
        assert case.store.head_object(case.s3_bucket, "key") is None


def test_uploads_of_one_key_are_apart(case: StoreCase):
    older, newer = case.upload("key", b"older", stamp="stamp-older"), case.upload("key", b"newest", stamp="stamp-newer")
    assert older != newer
    for upload_id, size, stamp in ((newer, 6, "stamp-newer"), (older, 5, "stamp-older")):
        case.complete("key", upload_id)
        stored = case.store.head_object(case.s3_bucket, "key")
        assert (stored.size, stored.stamp) == (size, stamp)


def test_a_bucket_that_never_had_an_upload_lists_none(case: StoreCase):
    assert list(case.store.list_uploads(case.s3_bucket)) == []
    assert list(case.store.list_uploads(case.s3_bucket, "key")) == []


def test_list_uploads(case: StoreCase):
    uploads = {key: case.upload(key, LAST) for key in ("ab/1", "ab/2", "abc")}
    listed = list(case.store.list_uploads(case.s3_bucket))
    assert {upload.key: upload.upload_id for upload in listed} == uploads
    assert [upload.key for upload in case.store.list_uploads(case.s3_bucket, "ab/")] == ["ab/1", "ab/2"]
    assert [upload.key for upload in case.store.list_uploads(case.s3_bucket, "abc")] == ["abc"]
    if case.facts.dates_uploads:
        assert all(abs(datetime.now(UTC) - upload.initiated) < timedelta(days=1) for upload in listed)


ODD_KEYS = ["a b/c+d", 'ž"ů?.zip', "e\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}", "100%41"]
ODD_KEYS += ["x&y<z>'", "*~()!$;,=@:", "k" * 200]
PATH_KEYS = ["a//b", "a/../b", "./a"]


@pytest.mark.parametrize("key", ODD_KEYS + PATH_KEYS)
def test_odd_keys(case: StoreCase, key: str):
    if key in PATH_KEYS and not case.facts.keeps_paths:
        with pytest.raises(StoreRefused):
            case.create(key)
        return
    upload_id = case.upload(key, LAST)
    assert [upload.key for upload in case.store.list_uploads(case.s3_bucket, key)] == [key]
    case.complete(key, upload_id)
    assert case.store.head_object(case.s3_bucket, key).stamp == STAMP
    case.store.delete_object(case.s3_bucket, key)
    assert case.store.head_object(case.s3_bucket, key) is None


def test_no_such_bucket(case: StoreCase):
    missing = "no-such-bucket-here"
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        case.store.create_upload(missing, "key", content_type=CONTENT_TYPE, stamp=STAMP)
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        case.store.delete_object(missing, "key")
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        next(case.store.list_uploads(missing))
    assert case.store.head_object(missing, "key") is None


def test_wrong_credentials_are_refused_by_every_call(checking_case: StoreCase):
    upload_id = checking_case.upload("key", LAST)
    stranger = connect(checking_case.server, secret_key="wrong-secret")
    bucket, parts = checking_case.s3_bucket, [StoredPart(1, len(LAST), md5_hex(LAST))]
    calls = [
        lambda: stranger.create_upload(bucket, "key", content_type=CONTENT_TYPE, stamp=STAMP),
        lambda: stranger.list_parts(bucket, "key", upload_id),
        lambda: stranger.complete_upload(bucket, "key", upload_id, parts),
        lambda: stranger.abort_upload(bucket, "key", upload_id),
        lambda: stranger.head_object(bucket, "key"),
        lambda: stranger.delete_object(bucket, "key"),
        lambda: list(stranger.list_uploads(bucket)),
    ]
    for call in calls:
        with pytest.raises(StoreRefused, match="403") as refusal:
            call()
        assert type(refusal.value) is StoreRefused
        assert "wrong-secret" not in str(refusal.value)
        assert checking_case.server.access_key not in str(refusal.value)
