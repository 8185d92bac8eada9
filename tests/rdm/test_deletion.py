# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What ends an upload without a file, and what draws on a draft with a pending one."""

from collections.abc import Callable

import pytest

from oarepo_s3.uploads.states import State
from tests.faults.world import DAY
from tests.stack.client import Answer
from tests.stack.stack import SWEEP

from .client import entry, entry_of
from .invariants import check
from .world import SIZE, Repository, content_of

KEY = "data.bin"


def nothing_at_store(repository: Repository, keys: list[str]) -> None:
    """Check that the store has nothing of these; what was aborted after the answer, the next sweep has done."""
    repository.stack.run(SWEEP)
    assert repository.at_store_of(keys) == (0, 0)


def store_keys(repository: Repository, pid: str) -> list[str]:
    """Where the uploads of a draft are at the store."""
    bucket_id = repository.bucket_of(pid)
    rows = repository.rows("SELECT s3_key FROM oarepo_s3_uploads WHERE bucket_id = :id", id=bucket_id)
    return [row.s3_key for row in rows]


def test_deleting_the_file_aborts_at_the_store(repository: Repository, pid: str) -> None:
    repository.uploading(pid, KEY, content_of(KEY))
    keys = store_keys(repository, pid)
    assert repository.owner.delete_file(pid, KEY).status == 204
    assert repository.at_store_of(keys) == (0, 0), "it was not aborted at once"
    assert repository.bucket_size(pid) == 0
    assert repository.owner.read_file(pid, KEY).status == 404
    assert repository.owner.commit(pid, KEY).status == 404
    repository.stack.run(SWEEP)
    assert repository.states(pid) == {KEY: State.ABORTED}
    check(repository, pid, {}, settled=True)


def test_deleting_all_files_aborts_all_and_keeps_no_quota(repository: Repository, pid: str) -> None:
    repository.upload(pid, "done.bin", content_of("done.bin"))
    for key in (KEY, "other.bin"):
        repository.uploading(pid, key, content_of(key))
    pending = store_keys(repository, pid)
    assert repository.owner.delete_all(pid).status == 204
    repository.stack.run(SWEEP)
    states = repository.states(pid)
    assert states == {"done.bin": State.COMPLETED, KEY: State.ABORTED, "other.bin": State.ABORTED}
    assert repository.at_store_of(pending) == (0, 1)
    assert repository.bucket_size(pid) == 0
    check(repository, pid, {"done.bin": content_of("done.bin")}, settled=True)


def test_deleting_the_draft_aborts(repository: Repository, pid: str) -> None:
    repository.uploading(pid, KEY, content_of(KEY))
    keys, bucket_id = store_keys(repository, pid), repository.bucket_of(pid)
    assert repository.owner.delete_draft(pid).status == 204
    nothing_at_store(repository, keys)
    rows = repository.rows("SELECT state, file_id FROM oarepo_s3_uploads WHERE bucket_id = :id", id=bucket_id)
    assert [row.state for row in rows] == [State.ABORTED]
    for row in rows:
        assert not repository.rows("SELECT 1 FROM files_files WHERE id = :id", id=row.file_id)
    assert repository.owner.init(pid, entry(KEY, SIZE)).status in (404, 410)


def test_key_is_free_again_after_its_file_was_deleted(repository: Repository, pid: str) -> None:
    for number in range(3):
        content = content_of(f"{KEY} {number}")
        repository.upload(pid, KEY, content)
        assert repository.owner.read(pid, KEY).content == content
        assert repository.owner.delete_file(pid, KEY).status == 204
        assert repository.bucket_size(pid) == 0
    check(repository, pid, {}, settled=False)


def test_upload_given_up_after_an_earlier_file_of_its_key(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of("earlier"))
    repository.owner.delete_file(pid, KEY)
    repository.uploading(pid, KEY, content_of(KEY))
    assert repository.bucket_size(pid) == SIZE
    assert repository.owner.delete_file(pid, KEY).status == 204
    assert repository.bucket_size(pid) == 0
    assert repository.owner.read_file(pid, KEY).status == 404
    repository.settle()
    check(repository, pid, {}, settled=True)


def test_other_transfer_of_a_pending_key_is_refused(repository: Repository, pid: str) -> None:
    repository.uploading(pid, KEY, content_of(KEY))
    assert repository.owner.init(pid, {"key": KEY}).status == 400
    assert repository.owner.commit(pid, KEY).status == 200
    check(repository, pid, {KEY: content_of(KEY)}, settled=False)


# publishing, editing, new versions ------------------------------------------------------------------------------------


def test_publishing_while_pending_is_refused(repository: Repository, pid: str) -> None:
    repository.upload(pid, "done.bin", content_of("done.bin"))
    repository.uploading(pid, KEY, content_of(KEY))
    answer = repository.owner.publish(pid)
    assert answer.status == 400, answer
    assert answer.body["errors"][0]["field"] == "files"
    assert repository.owner.commit(pid, KEY).status == 200
    assert repository.owner.publish(pid).status == 202
    for key in (KEY, "done.bin"):
        assert repository.user(None).read_published(pid, key).content == content_of(key)


def test_draft_can_be_published_without_the_upload_that_was_given_up(repository: Repository, pid: str) -> None:
    repository.upload(pid, "done.bin", content_of("done.bin"))
    repository.uploading(pid, KEY, content_of(KEY))
    repository.owner.delete_file(pid, KEY)
    assert repository.owner.publish(pid).status == 202
    assert repository.user(None).read_published(pid, KEY).status == 404


def test_new_version_takes_over_files_and_uploads_its_own(repository: Repository, pid: str) -> None:
    owner = repository.owner
    repository.upload(pid, "old.bin", content_of("old.bin"))
    assert owner.publish(pid).status == 202
    next_pid = owner.new_version(pid).body["id"]
    assert owner.import_files(next_pid).status == 201
    assert repository.bucket_size(next_pid) == SIZE
    repository.uploading(next_pid, "new.bin", content_of("new.bin"))
    assert repository.bucket_size(next_pid) == 2 * SIZE
    assert owner.delete_file(next_pid, "old.bin").status == 204
    replacing = content_of("another old.bin")
    repository.upload(next_pid, "old.bin", replacing)
    assert owner.commit(next_pid, "new.bin").status == 200
    assert owner.publish(next_pid).status == 202
    anybody = repository.user(None)
    assert anybody.read_published(pid, "old.bin").content == content_of("old.bin")
    assert anybody.read_published(next_pid, "old.bin").content == replacing
    assert anybody.read_published(next_pid, "new.bin").content == content_of("new.bin")


def test_editing_a_record_takes_no_new_files(repository: Repository, pid: str) -> None:
    repository.upload(pid, KEY, content_of(KEY))
    repository.owner.publish(pid)
    assert repository.owner.edit(pid).status == 201
    assert repository.owner.init(pid, entry("more.bin", SIZE)).status in (400, 403)
    assert repository.owner.publish(pid).status == 202
    assert repository.user(None).read_published(pid, KEY).content == content_of(KEY)


# expiry ---------------------------------------------------------------------------------------------------------------


def _sweep(repository: Repository) -> None:
    repository.stack.run(SWEEP)


def _nothing(repository: Repository) -> None:
    """The schedule has not run yet."""


@pytest.mark.parametrize("between", [_sweep, _nothing], ids=["swept", "not swept yet"])
def test_expired_upload_leaves_the_draft_as_it_was(
    repository: Repository, pid: str, between: Callable[[Repository], None]
) -> None:
    owner = repository.owner
    repository.upload(pid, "done.bin", content_of("done.bin"))
    repository.uploading(pid, KEY, content_of(KEY))
    before = entry_of(owner.list_files(pid), KEY)
    repository.stack.forward(DAY)
    between(repository)
    if between is _sweep:
        assert {one["key"] for one in owner.list_files(pid).body["entries"]} == {"done.bin"}
        assert repository.bucket_size(pid) == SIZE
        assert owner.commit(pid, KEY).status == 404
        check(repository, pid, {"done.bin": content_of("done.bin")}, settled=False)
    else:
        answer: Answer = owner.commit(pid, KEY)
        assert (answer.status, answer.body["code"]) == (410, "upload_expired"), answer
    again = owner.init(pid, entry(KEY, SIZE + 1))
    assert again.status == 201, again
    assert entry_of(again, KEY)["file_id"] != before["file_id"]
    assert repository.bucket_size(pid) == 2 * SIZE + 1
    content = content_of("again") + b"!"
    owner.put_parts(entry_of(again, KEY)["links"], content)
    assert owner.commit(pid, KEY).status == 200
    assert owner.publish(pid).status == 202
    assert repository.user(None).read_published(pid, KEY).content == content
    repository.settle()
    assert repository.at_store(pid) == (0, 2)


def test_draft_can_be_published_after_the_sweep(repository: Repository, pid: str) -> None:
    repository.upload(pid, "done.bin", content_of("done.bin"))
    repository.open(pid, KEY, content_of(KEY))
    assert repository.owner.publish(pid).status == 400
    repository.stack.forward(DAY)
    repository.stack.run(SWEEP)
    assert repository.owner.publish(pid).status == 202
