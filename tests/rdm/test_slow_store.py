# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A store that takes seconds holds up neither the other files of a draft nor the database."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from oarepo_s3.uploads.states import State
from tests.faults.proxy import WAIT_SECONDS, Exchange, Injection, Operation
from tests.faults.world import STACK_NAME
from tests.servers.process import wait_until
from tests.stack.stack import SWEEP

from .client import entry, entry_of
from .invariants import check
from .world import SIZE, Repository, content_of

KEYS = ("a.bin", "b.bin", "c.bin")
CALL_SECONDS = 3.0
SAMPLES = 20


def _hold(exchange: Exchange) -> None:
    """The call takes until the test has looked at the database."""
    exchange.hold()
    exchange.answer(exchange.forward())


def slow(repository: Repository, operation: Operation) -> AbstractContextManager[Injection]:
    """Let calls of a kind be slow."""
    return repository.store_proxy.inject(_hold, operation, times=10)


def connections(repository: Repository) -> set[str]:
    """What the database says of the application's connections, while a slow call takes its three seconds."""
    query = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
    seen: set[str] = set()
    for _ in range(SAMPLES):
        seen |= {str(row.state) for row in repository.rows(query, name=STACK_NAME)}
        time.sleep(CALL_SECONDS / SAMPLES)
    return seen


def wait_for_all(repository: Repository, operation: Operation) -> None:
    """Wait until a call for each key is at the store; were anything locked, one would wait for another."""
    wait_until(lambda: repository.store_proxy.busy(operation) == len(KEYS), seconds=30, what="not all are at the store")


def test_inits_and_commits_of_one_draft_wait_side_by_side(repository: Repository, pid: str) -> None:
    owner = repository.owner
    with slow(repository, Operation.CREATE) as injection, ThreadPoolExecutor(len(KEYS)) as pool:
        answers = [pool.submit(owner.init, pid, entry(key, SIZE)) for key in KEYS]
        wait_for_all(repository, Operation.CREATE)
        assert connections(repository) == {"idle"}
        assert owner.list_files(pid).status == 200
        injection.release()
        opened = [answer.result(WAIT_SECONDS) for answer in answers]
    assert [answer.status for answer in opened] == [201] * len(KEYS)
    for key, answer in zip(KEYS, opened, strict=True):
        owner.put_parts(entry_of(answer, key)["links"], content_of(key))
    with slow(repository, Operation.COMPLETE) as injection, ThreadPoolExecutor(len(KEYS)) as pool:
        answers = [pool.submit(owner.commit, pid, key) for key in KEYS]
        wait_for_all(repository, Operation.COMPLETE)
        assert connections(repository) == {"idle"}
        injection.release()
        assert [answer.result(WAIT_SECONDS).status for answer in answers] == [200] * len(KEYS)
    check(repository, pid, {key: content_of(key) for key in KEYS}, settled=False)


def test_deletion_waits_in_no_transaction(repository: Repository, pid: str) -> None:
    repository.uploading(pid, KEYS[0], content_of(KEYS[0]))
    with slow(repository, Operation.ABORT) as injection, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(repository.owner.delete_file, pid, KEYS[0])
        injection.wait_reached()
        assert connections(repository) == {"idle"}
        assert repository.owner.read_file(pid, KEYS[0]).status == 404
        injection.release()
        assert answer.result(WAIT_SECONDS).status == 204
    repository.stack.run(SWEEP)
    assert repository.states(pid) == {KEYS[0]: State.ABORTED}
