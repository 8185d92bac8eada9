# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Two at once on two workers, each kind of race 100 times: one wins, and the other is told the same."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults.test_races import at_once
from tests.stack.client import Answer

from .client import entry, entry_of
from .invariants import check
from .world import SIZE, Repository, content_of

RACES = 100
KEYS_OF_A_DRAFT = 25
LANES = 4


@dataclass(frozen=True)
class Start:
    """What a race is about."""

    pid: str
    key: str

    @property
    def content(self) -> bytes:
        """What is sent."""
        return content_of(self.pid + self.key)


def starts(repository: Repository, *, keys_of_a_draft: int = KEYS_OF_A_DRAFT) -> list[Start]:
    """A key for each race."""
    pids = [repository.add_record() for _ in range(RACES // keys_of_a_draft)]
    return [Start(pid, f"{number}.bin") for pid in pids for number in range(keys_of_a_draft)]


def in_lanes(function: Callable[[Start], Any], races: list[Start]) -> list[Any]:
    """Run some races at a time; those of one draft meet as well."""
    with ThreadPoolExecutor(LANES) as pool:
        return list(pool.map(function, races))


def check_all(repository: Repository, races: list[Start], *, settled: bool = False) -> None:
    """Check every draft."""
    for pid in {start.pid for start in races}:
        sent = {start.key: start.content for start in races if start.pid == pid}
        check(repository, pid, sent, settled=settled)


def states(repository: Repository, races: list[Start]) -> Counter[str]:
    """How many uploads are in which state."""
    found: Counter[str] = Counter()
    for pid in {start.pid for start in races}:
        found.update(repository.states(pid).values())
    return found


@contextmanager
def without_tasks(repository: Repository) -> Iterator[None]:
    """Keep the Celery workers still.

    Invenio answers 500 to whoever deletes a file in the same moment as its task writes the metadata, whatever the
    transfer.
    """
    pids = [*(node.daemon.pid for node in repository.stack.nodes), *repository.stack.task_processes()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_two_commits(repository: Repository) -> None:
    races = starts(repository)
    in_lanes(lambda start: repository.uploading(start.pid, start.key, start.content), races)

    def race(start: Start) -> None:
        answers: list[Answer] = at_once(*[lambda: repository.owner.commit(start.pid, start.key)] * 2)
        assert [answer.status for answer in answers] == [200, 200], answers
        first, second = ({**answer.body, "updated": None, "metadata": None} for answer in answers)
        assert first == second
        assert (first["status"], first["transfer"], first["size"]) == ("completed", {"type": "L"}, SIZE)

    in_lanes(race, races)
    assert states(repository, races) == {"completed": RACES}
    check_all(repository, races)


def test_two_inits(repository: Repository) -> None:
    races = starts(repository)

    def race(start: Start) -> None:
        answers: list[Answer] = at_once(*[lambda: repository.owner.init(start.pid, entry(start.key, SIZE))] * 2)
        assert all(answer.status in (201, 409) for answer in answers), answers
        assert any(answer.status == 201 for answer in answers), answers
        opened = [entry_of(answer, start.key) for answer in answers if answer.status == 201]
        assert len({one["file_id"] for one in opened}) == 1
        repository.owner.put_parts(opened[0]["links"], start.content)
        assert repository.owner.commit(start.pid, start.key).status == 200

    in_lanes(race, races)
    assert states(repository, races) == {"completed": RACES}
    check_all(repository, races)


def test_commit_against_deletion(repository: Repository) -> None:
    # Of two deletions in one draft at the same moment Invenio answers one by 500, whatever the transfer.
    races = starts(repository, keys_of_a_draft=1)
    in_lanes(lambda start: repository.uploading(start.pid, start.key, start.content), races)

    def race(start: Start) -> bool:
        committed, deleted = at_once(
            lambda: repository.owner.commit(start.pid, start.key),
            lambda: repository.owner.delete_file(start.pid, start.key),
        )
        assert committed.status in (200, 404, 409, 410), committed
        assert deleted.status in (204, 409), deleted
        assert committed.ok or deleted.ok, "nobody has won"
        return bool(deleted.ok)

    with without_tasks(repository):
        deleted = in_lanes(race, races)
    repository.settle()
    check_all(repository, races, settled=True)
    for start, gone in zip(races, deleted, strict=True):
        assert repository.owner.read_file(start.pid, start.key).status == (404 if gone else 200)
