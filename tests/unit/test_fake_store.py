# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What only the fake store can do; what it shares with real ones is in tests/store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import md5

import pytest

from oarepo_s3.errors import StorePartsRefused, StoreRefused, StoreRetryLater, StoreUnknownOutcome, StoreUploadGone
from oarepo_s3.store.contract import StoredObject
from oarepo_s3.testing import Blank, Call, FakeStore
from oarepo_s3.testing.interference import OPERATIONS

TIB = 2**40
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def store():
    return FakeStore(clock=lambda: NOW)


def create(store, key="key", stamp="stamp"):
    return store.create_upload("bucket", key, content_type="a/b", stamp=stamp).upload_id


def complete(store, upload_id, key="key"):
    store.complete_upload("bucket", key, upload_id, store.list_parts("bucket", key, upload_id))


def test_it_can_stand_for_the_client():
    store = FakeStore(
        "key", "secret", {"endpoint_url": "https://s3", "region_name": "r"}, tenant="acme", timeout=3, attempts=1
    )
    assert (store.endpoint_url, store.region, store.wire_bucket("b")) == ("https://s3", "r", "acme:b")
    assert store.credentials().access_key == "key"
    assert FakeStore(None, None).credentials().access_key == "fake"
    assert FakeStore().wire_bucket("b") == "b"


def test_a_file_of_five_tebibytes(store):
    upload_id = create(store)
    parts = [store.put_part("bucket", "key", upload_id, number, Blank(TIB)) for number in range(1, 6)]
    complete(store, upload_id)
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    etag = f"{md5(digests).hexdigest()}-5"
    assert store.objects() == {("bucket", "key"): StoredObject(5 * TIB, etag, "stamp", "a/b")}


def test_blanks_differ_by_size_and_seed():
    assert Blank(5).etag == Blank(5).etag
    assert len({Blank(5).etag, Blank(6).etag, Blank(5, "other").etag}) == 3


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_part_numbers_have_limits(store, number):
    with pytest.raises(StoreRefused):
        store.put_part("bucket", "key", create(store), number, b"x")


def test_an_upload_belongs_to_its_bucket_and_key(store):
    upload_id = create(store)
    for bucket, key in (("bucket", "other"), ("other", "key")):
        with pytest.raises(StoreUploadGone):
            store.list_parts(bucket, key, upload_id)
        store.abort_upload(bucket, key, upload_id)
    assert store.list_parts("bucket", "key", upload_id) == []


def test_what_is_inspected_is_a_copy(store):
    upload_id = create(store)
    store.put_part("bucket", "key", upload_id, 1, b"x")
    (upload,) = store.uploads()
    assert (upload.upload_id, upload.stamp, upload.initiated, upload.parts[1].size) == (upload_id, "stamp", NOW, 1)
    upload.parts.clear()
    store.objects()["bucket", "other"] = None
    assert len(store.list_parts("bucket", "key", upload_id)) == 1
    assert store.objects() == {}


def test_an_object_of_somebody_else(store):
    stored = store.put_object("bucket", "key", b"x")
    assert (stored.stamp, stored.etag) == (None, md5(b"x").hexdigest())
    assert store.head_object("bucket", "key") == stored


def test_calls_are_noted(store):
    upload_id = create(store)
    list(store.list_uploads("bucket", "k"))
    assert store.calls == [
        Call("create_upload", ("bucket", "key", "a/b", "stamp")),
        Call("list_uploads", ("bucket", "k")),
    ]
    store.fail("abort_upload", StoreRetryLater("busy"))
    with pytest.raises(StoreRetryLater):
        store.abort_upload("bucket", "key", upload_id)
    assert store.calls[-1].name == "abort_upload"


def test_an_error_before_the_call(store):
    store.fail("create_upload", StoreRetryLater("busy"), times=2)
    for _ in range(2):
        with pytest.raises(StoreRetryLater):
            create(store)
    assert store.uploads() == []
    create(store)
    assert len(store.uploads()) == 1


def test_an_answer_that_is_lost(store):
    upload_id = create(store)
    store.put_part("bucket", "key", upload_id, 1, b"x")
    store.fail("complete_upload", StoreUnknownOutcome("lost"), after=True)
    with pytest.raises(StoreUnknownOutcome):
        complete(store, upload_id)
    assert store.head_object("bucket", "key").size == 1


def test_a_call_that_fails_by_itself_uses_up_no_lost_answer(store):
    store.fail("list_parts", StoreUnknownOutcome("lost"), after=True)
    with pytest.raises(StoreUploadGone):
        store.list_parts("bucket", "key", "unknown")
    upload_id = create(store)
    with pytest.raises(StoreUnknownOutcome):
        store.list_parts("bucket", "key", upload_id)


def test_every_call_can_be_made_to_fail(store):
    upload_id = create(store)
    store.put_part("bucket", "key", upload_id, 1, b"x")
    parts = store.list_parts("bucket", "key", upload_id)
    calls = {
        "create_upload": lambda: create(store),
        "list_parts": lambda: store.list_parts("bucket", "key", upload_id),
        "complete_upload": lambda: store.complete_upload("bucket", "key", upload_id, parts),
        "abort_upload": lambda: store.abort_upload("bucket", "key", upload_id),
        "head_object": lambda: store.head_object("bucket", "key"),
        "delete_object": lambda: store.delete_object("bucket", "key"),
        "list_uploads": lambda: list(store.list_uploads("bucket")),
    }
    assert set(calls) == set(OPERATIONS)
    for name, call in calls.items():
        store.fail(name, StoreRetryLater(name))
        with pytest.raises(StoreRetryLater, match=name):
            call()
    assert [upload.upload_id for upload in store.uploads()] == [upload_id]


def test_code_in_the_middle_of_a_call(store):
    upload_id = create(store)
    store.put_part("bucket", "key", upload_id, 1, b"x")
    store.on("complete_upload", lambda: store.abort_upload("bucket", "key", upload_id))
    with pytest.raises(StoreUploadGone):
        complete(store, upload_id)
    assert store.objects() == {}


def test_code_in_the_middle_may_wait_for_another_thread(store):
    """No lock is held meanwhile, or the other thread would wait as well."""

    def race():
        other = threading.Thread(target=create, args=(store, "other"))
        other.start()
        other.join(10)
        assert not other.is_alive()

    store.on("create_upload", race, after=False)
    create(store)
    store.on("head_object", race, after=True)
    store.head_object("bucket", "key")
    assert sorted(upload.key for upload in store.uploads()) == ["key", "other", "other"]


def test_mistakes_in_a_test_are_told(store):
    with pytest.raises(ValueError, match="no operation 'complete'"):
        store.fail("complete", StoreRetryLater("busy"))
    with pytest.raises(ValueError, match="before or after"):
        store.fail("head_object", StoreRetryLater("busy"), before=False)


def test_a_creation_whose_first_answer_is_lost(store):
    store.lose_create_answer()
    created = store.create_upload("bucket", "key", content_type="a/b", stamp="stamp")
    assert created.retried is True
    assert [upload.upload_id for upload in store.list_uploads("bucket", "key")][-1] == created.upload_id
    assert len(store.uploads()) == 2
    assert store.create_upload("bucket", "key", content_type="a/b", stamp="stamp").retried is False


def test_a_second_completion_is_gone_where_it_is_so():
    store = FakeStore(complete_twice="gone")
    upload_id = create(store)
    part = store.put_part("bucket", "key", upload_id, 1, b"x")
    store.complete_upload("bucket", "key", upload_id, [part])
    with pytest.raises(StoreUploadGone):
        store.complete_upload("bucket", "key", upload_id, [part])


def test_a_second_completion_does_nothing_where_it_is_so(store):
    upload_id = create(store)
    part = store.put_part("bucket", "key", upload_id, 1, b"x")
    store.complete_upload("bucket", "key", upload_id, [part])
    store.delete_object("bucket", "key")
    store.complete_upload("bucket", "key", upload_id, [part])
    assert store.objects() == {}


def test_stored_parts_that_are_not_listed():
    for refuse in (False, True):
        store = FakeStore(refuse_subset=refuse, buckets=["bucket"])
        upload_id = create(store)
        first, _ = (store.put_part("bucket", "key", upload_id, number, b"x") for number in (1, 2))
        if refuse:
            with pytest.raises(StorePartsRefused, match="InvalidPart"):
                store.complete_upload("bucket", "key", upload_id, [first])
        else:
            store.complete_upload("bucket", "key", upload_id, [first])
            assert store.head_object("bucket", "key").size == 1


def test_only_the_named_buckets_are_there():
    store = FakeStore(buckets=["other"])
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        create(store)
    assert list(store.list_uploads("other", "prefix")) == []


def test_uploads_are_listed_by_prefix(store):
    for key in ("b", "a/2", "a/1"):
        create(store, key)
    assert [upload.key for upload in store.list_uploads("bucket", "a/")] == ["a/1", "a/2"]


def test_one_of_many_completions_wins():
    store = FakeStore(complete_twice="gone")
    upload_id = create(store)
    part = store.put_part("bucket", "key", upload_id, 1, b"x")

    def try_to_complete(_):
        try:
            store.complete_upload("bucket", "key", upload_id, [part])
        except StoreUploadGone:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_to_complete, range(40))) == 1


def test_the_last_part_may_be_small(store):
    upload_id = create(store)
    store.put_part("bucket", "key", upload_id, 1, Blank(5 * 2**20 - 1))
    last = store.put_part("bucket", "key", upload_id, 2, b"x")
    with pytest.raises(StorePartsRefused, match="EntityTooSmall"):
        complete(store, upload_id)
    store.complete_upload("bucket", "key", upload_id, [last])
    assert store.head_object("bucket", "key").size == 1
