# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Workers that die, a store that fails, and a broker that is gone, in the middle of the flow."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from tests.faults import store_faults
from tests.faults.database_proxy import Commit, Stop
from tests.faults.proxy import WAIT_SECONDS, Injection, Operation
from tests.servers.process import wait_until
from tests.stack.client import Answer
from tests.stack.stack import RECONCILE

from .client import entry, entry_of
from .invariants import check
from .world import ATTEMPTS, SIZE, Repository, content_of

KEY = "data.bin"
INTERRUPTED = 1000.0
"""Seconds after which reconcile takes an upload for interrupted, and a bit."""

EXTRACT = "invenio_records_resources.tasks.extract_file_metadata"
REPETITIONS = 12


def until_done(repository: Repository, call: Callable[[], Answer]) -> Answer:
    """Ask again as long as the answer invites to it; each time a minute later."""
    for _ in range(REPETITIONS):
        answer = call()
        if answer.ok:
            return answer
        assert answer.status in (0, 409, 429, 502, 503), f"a client that repeats its call does not go on: {answer}"
        repository.stack.forward(61)
    raise AssertionError(f"a client that repeats its call gets nowhere: {answer}")


def kill_at(repository: Repository, place: AbstractContextManager[Injection | Stop], act: Callable[[], Answer]) -> None:
    """Let a worker die when it has come to a place."""
    with place as stop, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(act)
        repository.stack.kill_owner(stop.wait_reached())
        stop.release(cut=True)
        assert not answer.result(WAIT_SECONDS).ok
    repository.stack.forward(61)  # what the dead worker had claimed is free by now


Place = Callable[[Repository], AbstractContextManager[Injection | Stop]]

OPENING: dict[str, Place] = {
    "before the first commit": lambda r: r.database_proxy.stop_at(Commit("created"), hold=True),
    "after the first commit": lambda r: r.database_proxy.stop_at(Commit("created", done=True), hold=True),
    "before the store": lambda r: r.store_proxy.inject(store_faults.hold_before, Operation.CREATE),
    "after the store": lambda r: r.store_proxy.inject(store_faults.hold_answer, Operation.CREATE),
    "before the last commit": lambda r: r.database_proxy.stop_at(Commit("opened"), hold=True),
    "after the last commit": lambda r: r.database_proxy.stop_at(Commit("opened", done=True), hold=True),
}
COMPLETING: dict[str, Place] = {
    "before the store": lambda r: r.store_proxy.inject(store_faults.hold_before, Operation.COMPLETE),
    "after the store": lambda r: r.store_proxy.inject(store_faults.hold_answer, Operation.COMPLETE),
    "before the last commit": lambda r: r.database_proxy.stop_at(Commit("completed"), hold=True),
    "after the last commit": lambda r: r.database_proxy.stop_at(Commit("completed", done=True), hold=True),
}


@pytest.mark.parametrize("comes_back", [True, False], ids=["comes back", "never comes back"])
@pytest.mark.parametrize("place", OPENING)
def test_worker_dies_in_init(repository: Repository, place: str, comes_back: bool) -> None:
    pid, content = repository.add_record(), content_of(place)
    kill_at(repository, OPENING[place](repository), lambda: repository.owner.init(pid, entry(KEY, SIZE)))
    check(repository, pid, {}, settled=False)
    if comes_back:
        answer = until_done(repository, lambda: repository.owner.init(pid, entry(KEY, SIZE)))
        repository.owner.put_parts(entry_of(answer, KEY)["links"], content)
        assert until_done(repository, lambda: repository.owner.commit(pid, KEY)).body["status"] == "completed"
    repository.settle()
    check(repository, pid, {KEY: content}, settled=True)
    assert bool(repository.owner.list_files(pid).body["entries"]) == comes_back


@pytest.mark.parametrize("finisher", ["the next commit", "reconcile"])
@pytest.mark.parametrize("place", COMPLETING)
def test_worker_dies_in_commit(repository: Repository, place: str, finisher: str) -> None:
    pid, content = repository.add_record(), content_of(place + finisher)
    repository.uploading(pid, KEY, content)
    kill_at(repository, COMPLETING[place](repository), lambda: repository.owner.commit(pid, KEY))
    check(repository, pid, {KEY: content}, settled=False)
    if finisher == "reconcile":
        repository.stack.forward(INTERRUPTED)
        repository.stack.run(RECONCILE)
    answer = until_done(repository, lambda: repository.owner.commit(pid, KEY))
    assert (answer.body["status"], answer.body["transfer"]) == ("completed", {"type": "L"})
    repository.settle()
    check(repository, pid, {KEY: content}, settled=True)
    assert repository.owner.publish(pid).status == 202


@pytest.mark.parametrize("fault", ["cut", "lost answer", "error"])
def test_store_fails_in_init_and_nothing_is_left(repository: Repository, fault: str) -> None:
    behaviour = {
        "cut": store_faults.cut_before,
        "lost answer": store_faults.lose_answer,
        "error": store_faults.refuse(503, "SlowDown"),
    }[fault]
    pid = repository.add_record()
    with repository.store_proxy.inject(behaviour, Operation.CREATE, times=ATTEMPTS):
        answer = repository.owner.init(pid, entry(KEY, SIZE))
    assert answer.status == 503, answer
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.body["code"].startswith("store_")
    check(repository, pid, {}, settled=False)
    content = content_of(fault)
    answer = until_done(repository, lambda: repository.owner.init(pid, entry(KEY, SIZE)))
    repository.owner.put_parts(entry_of(answer, KEY)["links"], content)
    assert repository.owner.commit(pid, KEY).status == 200
    repository.settle()
    check(repository, pid, {KEY: content}, settled=True)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_batch_of_inits_is_all_or_nothing(repository: Repository, number: int) -> None:
    pid, keys = repository.add_record(), ["a.bin", "b.bin", "c.bin"]
    repository.upload(pid, "before.bin", content_of("before.bin"))
    repository.open(pid, "pending.bin", content_of("pending.bin"))
    entries = [entry(key, SIZE) for key in keys]
    refused = store_faults.refuse(503, "SlowDown")
    with repository.store_proxy.inject(refused, Operation.CREATE, skip=number, times=10) as injection:
        answer = repository.owner.init(pid, *entries)
    assert injection.count
    assert answer.status == 503, answer
    assert b"X-Amz" not in answer.content
    listed = {one["key"]: one["status"] for one in repository.owner.list_files(pid).body["entries"]}
    assert listed == {"before.bin": "completed", "pending.bin": "pending"}
    assert repository.bucket_size(pid) == 2 * SIZE
    answer = until_done(repository, lambda: repository.owner.init(pid, *entries))
    for key in keys:
        repository.owner.put_parts(entry_of(answer, key)["links"], content_of(key))
        assert repository.owner.commit(pid, key).status == 200
    repository.settle()
    check(repository, pid, {key: content_of(key) for key in [*keys, "before.bin"]}, settled=True)


def test_batch_with_one_that_cannot_be_opens_nothing(repository: Repository) -> None:
    pid = repository.add_record()
    for bad in (entry("../x", SIZE), entry("b.bin", SIZE, parts=2), entry("a.bin", SIZE + 1)):
        before = repository.rows("SELECT count(*) AS n FROM oarepo_s3_uploads")[0].n
        answer = repository.owner.init(pid, entry("a.bin", SIZE), bad)
        assert 400 <= answer.status < 500, answer
        assert repository.rows("SELECT count(*) AS n FROM oarepo_s3_uploads")[0].n == before
        assert repository.owner.list_files(pid).body["entries"] == []
        assert repository.bucket_size(pid) == 0


@pytest.mark.parametrize("fault", ["lost answer", "error", "error in 200"])
def test_outcome_of_commit_is_unknown(repository: Repository, fault: str) -> None:
    behaviour = {
        "lost answer": store_faults.lose_answer,
        "error": store_faults.refuse(500, "InternalError"),
        "error in 200": store_faults.refuse(200, "InternalError", done=True),
    }[fault]
    pid, content = repository.add_record(), content_of(fault)
    repository.uploading(pid, KEY, content)
    with repository.store_proxy.inject(behaviour, Operation.COMPLETE):
        answer = repository.owner.commit(pid, KEY)
    assert answer.status in (200, 409, 503), answer
    assert until_done(repository, lambda: repository.owner.commit(pid, KEY)).body["status"] == "completed"
    repository.settle()
    check(repository, pid, {KEY: content}, settled=True)


def test_upload_lost_at_the_store(repository: Repository) -> None:
    pid = repository.add_record()
    repository.uploading(pid, KEY, content_of(KEY))
    row = repository.rows(
        "SELECT s3_key, s3_upload_id FROM oarepo_s3_uploads WHERE bucket_id = :id", id=repository.bucket_of(pid)
    )[0]
    repository.s3.abort_multipart_upload(Bucket=repository.s3_bucket, Key=row.s3_key, UploadId=row.s3_upload_id)
    answer = repository.owner.commit(pid, KEY)
    assert answer.status in (409, 410), answer
    content = content_of("again")
    repository.owner.delete_file(pid, KEY)
    repository.upload(pid, KEY, content)
    repository.settle()
    check(repository, pid, {KEY: content}, settled=True)


# broker ---------------------------------------------------------------------------------------------------------------


def test_broker_is_down_at_commit(repository: Repository) -> None:
    """The file is complete all the same, and the extraction of metadata is caught up when the broker is back."""
    pid, content = repository.add_record(), content_of(KEY)
    repository.uploading(pid, KEY, content)
    (broker,) = repository.servers.restartable["broker"]
    broker.end()
    try:
        answer = repository.owner.commit(pid, KEY)
        assert answer.status == 200, answer
        assert answer.body["status"] == "completed"
        assert repository.reader.read(pid, KEY).content == content
    finally:
        broker.start()
        broker.wait_ready()
    ended = set(repository.stack.ended())
    repository.stack.forward(INTERRUPTED)
    repository.stack.run(RECONCILE)
    wait_until(lambda: _extracted(repository, ended), seconds=60, what="the extraction was not caught up")
    repository.stack.run(RECONCILE)
    check(repository, pid, {KEY: content}, settled=False)


def _extracted(repository: Repository, before: set[str]) -> bool:
    lines = [line for task, line in repository.stack.ended().items() if task not in before]
    return any(line.get("task") == EXTRACT and line["state"] == "SUCCESS" for line in lines)
