# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Quotas and limits over REST: nothing is opened that does not fit, and the size of a bucket is exact at each step."""

from concurrent.futures import ThreadPoolExecutor

from oarepo_s3.uploads.states import State

from .client import entry
from .invariants import check
from .world import PART, SIZE, Repository, content_of

KEY = "data.bin"


def test_size_is_reserved_kept_and_given_back(repository: Repository, pid: str) -> None:
    owner, content = repository.owner, content_of(KEY)
    assert repository.bucket_size(pid) == 0
    repository.uploading(pid, KEY, content)
    assert repository.bucket_size(pid) == SIZE
    owner.commit(pid, KEY)
    assert repository.bucket_size(pid) == SIZE
    repository.open(pid, "other.bin", content)
    assert repository.bucket_size(pid) == 2 * SIZE
    owner.delete_file(pid, "other.bin")
    assert repository.bucket_size(pid) == SIZE
    owner.delete_file(pid, KEY)
    assert repository.bucket_size(pid) == 0
    check(repository, pid, {KEY: content}, settled=False)


def test_more_than_the_quota_is_refused_and_leaves_nothing(repository: Repository, pid: str) -> None:
    repository.set_bucket(pid, quota_size=2 * SIZE)
    repository.upload(pid, KEY, content_of(KEY))
    answer = repository.owner.init(pid, entry("big.bin", SIZE + 1))
    assert answer.status == 413, answer
    assert answer.body["code"] == "quota_exceeded"
    assert repository.owner.init(pid, entry("fits.bin", SIZE)).status == 201
    assert repository.owner.init(pid, entry("one more.bin", 1)).status == 413
    assert repository.bucket_size(pid) == 2 * SIZE
    assert {one["key"] for one in repository.owner.list_files(pid).body["entries"]} == {KEY, "fits.bin"}
    check(repository, pid, {KEY: content_of(KEY)}, settled=False)


def test_bigger_than_a_file_may_be_is_refused(repository: Repository, pid: str) -> None:
    repository.set_bucket(pid, max_file_size=SIZE)
    assert repository.owner.init(pid, entry(KEY, SIZE + 1)).status == 413
    assert repository.owner.init(pid, entry(KEY, SIZE)).status == 201
    check(repository, pid, {}, settled=False)


def test_quota_holds_against_all_who_come_at_once(repository: Repository, pid: str) -> None:
    repository.set_bucket(pid, quota_size=3 * SIZE)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: repository.owner.init(pid, entry(f"{n}.bin", SIZE)), range(8)))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [413] * 5
    assert repository.bucket_size(pid) == 3 * SIZE
    check(repository, pid, {}, settled=False)


def test_number_of_files_is_limited_before_any_work(repository: Repository, pid: str) -> None:
    answer = repository.owner.init(pid, *(entry(f"{number}.bin", 1) for number in range(101)))
    assert answer.status == 400, answer
    assert repository.states(pid) == {}
    assert repository.bucket_size(pid) == 0


def test_locked_bucket_takes_nothing(repository: Repository, pid: str) -> None:
    repository.set_bucket(pid, locked=True)
    assert repository.owner.init(pid, entry(KEY, SIZE)).status in (400, 403)
    repository.set_bucket(pid, locked=False)
    assert repository.bucket_size(pid) == 0
    check(repository, pid, {}, settled=True)


def test_other_content_than_declared_is_no_file(repository: Repository, pid: str) -> None:
    """A client that has the size pinned in its URLs away, here by a part that is too short, gets nowhere."""
    links = repository.open(pid, KEY, content_of(KEY))
    answer = repository.owner.send_part(links["parts"][0]["url"], b"x" * (PART - 1))
    assert answer.status == 403
    assert repository.owner.commit(pid, KEY).status == 409
    assert repository.states(pid) == {KEY: State.OPEN}
