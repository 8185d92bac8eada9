# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The operations as rules of hypothesis, within a budget."""

# The rules say by their names what they do.
# ruff: noqa: D102

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from .backends import Backend
from .faults import Fault, commit_faults, store_faults
from .life import DAY, Life

NAMES = ("a.zip", "b/ž c.zip")
KEYS = st.sampled_from(NAMES)
SEEDS = st.integers(1, 3)


def faults_at(*calls: str, commits: int) -> st.SearchStrategy[Fault | None]:
    """Nothing, or a fault at one of the calls that an operation makes, or at one of its first commits."""
    at_store = [fault for fault in store_faults() if fault.call in calls]
    at_commit = [fault for fault in commit_faults() if fault.times <= commits]
    return st.one_of(st.none(), st.none(), *(st.sampled_from(found) for found in (at_store, at_commit) if found))


CLEARING = ("abort_upload", "list_parts", "list_uploads", "delete_object")
OPENING = faults_at("create_upload", *CLEARING, commits=5)
LISTING = faults_at("list_parts", commits=3)
COMPLETING = faults_at("complete_upload", "head_object", "list_parts", "delete_object", commits=8)
ABORTING = faults_at(*CLEARING, "head_object", commits=6)
SCHEDULED = faults_at(*CLEARING, "head_object", commits=12)
TIMES = st.sampled_from([1, 61, 301, 16 * 60, 3700, DAY - 3600, DAY + 60])


@dataclass
class Budget:
    """How many operations may still be done."""

    left: int
    done: int = 0

    def take(self) -> bool:
        """Take one, if there is one."""
        if self.left <= 0:
            return False
        self.left -= 1
        self.done += 1
        return True


class UploadMachine(RuleBasedStateMachine):
    """Random operations; subclasses made by :func:`machine_over` say where."""

    backend: Backend
    budget: Budget
    found: list[str] | None

    def __init__(self) -> None:
        super().__init__()
        self.life: Life | None = None
        self.history: list[str] = []

    def _do(self, operation: str, *arguments: object, **options: object) -> None:
        if self.life is None or not self.budget.take():
            return
        self.history.append(f"{operation}{arguments}{options or ''}")
        with self._noting():
            self.life.forward(0.001)  # no two things happen at once
            getattr(self.life, operation)(*arguments, **options)
            self.life.check() if self.backend.each_step else self.life.follow()

    def _busy(self, key: str) -> str:
        """The key, or the one that has an upload if this one has none."""
        if self.life is None or self.life.pending(key) is not None:
            return key
        return next((other for other in NAMES if self.life.pending(other) is not None), key)

    def _opened(self, key: str) -> str:
        """The same, and there is one in any case."""
        key = self._busy(key)
        if self.life is not None and self.life.pending(key) is None:
            self._do("open", key, 2, 500, None, None)
        return key

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Keep what goes wrong, with all that was done before, and end the sequence there; or let hypothesis see it."""
        try:
            yield
        except Exception:
            life, self.life = self.life, None
            assert life is not None
            life.clean_up()
            if self.found is None:
                raise
            self.found.append("\n".join([f"{self.backend.name}:", *self.history, traceback.format_exc(limit=-6)]))

    @initialize()
    def begin(self) -> None:
        """Begin with a new record."""
        if self.budget.left > 0:
            self.life = Life(self.backend)

    def teardown(self) -> None:
        """Let everything come to its end, and check that."""
        if self.life is not None:
            with self._noting():
                self.life.settle()

    @rule(
        key=KEYS,
        parts=st.integers(1, 3),
        last=st.sampled_from([1, 500, 1000]),
        name=st.sampled_from([None, "f"]),
        fault=OPENING,
    )
    def open(self, key: str, parts: int, last: int, name: str | None, fault: Fault | None) -> None:
        self._do("open", key, parts, last, name, fault)

    @rule(key=KEYS, fault=OPENING)
    def open_the_same(self, key: str, fault: Fault | None) -> None:
        self._do("open", key, 2, 500, None, fault)

    @rule(key=KEYS, fault=OPENING, seed=SEEDS)
    def open_and_send(self, key: str, fault: Fault | None, seed: int) -> None:
        self._do("open", key, 2, 500, None, fault)
        self._do("put_all", key, seed)

    @rule(key=KEYS, number=st.integers(0, 2), seed=SEEDS)
    def put(self, key: str, number: int, seed: int) -> None:
        self._do("put", self._busy(key), number, seed)

    @rule(key=KEYS, seed=SEEDS)
    def put_all(self, key: str, seed: int) -> None:
        self._do("put_all", self._busy(key), seed)

    @rule(key=KEYS, number=st.integers(0, 2), off_by=st.sampled_from([-1, 1, 5000]), beyond=st.booleans())
    def put_wrong(self, key: str, number: int, off_by: int, beyond: bool) -> None:
        self._do("put", self._busy(key), number, 9, off_by=off_by, beyond=beyond)

    @rule(key=KEYS, fault=LISTING)
    def list_parts(self, key: str, fault: Fault | None) -> None:
        self._do("list", self._busy(key), fault)

    @rule(key=KEYS, fault=LISTING)
    def sign(self, key: str, fault: Fault | None) -> None:
        self._do("sign", self._busy(key), fault)

    @rule(key=KEYS, claims=st.sampled_from(["none", "right", "wrong"]), fault=COMPLETING)
    def complete(self, key: str, claims: str, fault: Fault | None) -> None:
        self._do("complete", self._busy(key), claims, fault)

    @rule(key=KEYS, claims=st.sampled_from(["none", "right"]), seed=SEEDS, fault=COMPLETING)
    def send_and_complete(self, key: str, claims: str, seed: int, fault: Fault | None) -> None:
        """What nearly all clients do; else few of the random ones would come to an end."""
        key = self._opened(key)
        self._do("put_all", key, seed)
        self._do("complete", key, claims, fault)

    @rule(key=KEYS, fault=ABORTING)
    def abort(self, key: str, fault: Fault | None) -> None:
        self._do("abort", self._opened(key), fault)

    @rule(key=KEYS, fault=ABORTING)
    def delete_file(self, key: str, fault: Fault | None) -> None:
        self._do("delete_file", key, fault)

    @rule(key=KEYS)
    def delete_behind(self, key: str) -> None:
        self._do("delete_behind", key)

    @rule(key=KEYS, size=st.integers(1, 9))
    def add_file(self, key: str, size: int) -> None:
        self._do("add_file", key, size)

    @rule(key=KEYS)
    def read(self, key: str) -> None:
        self._do("read", key)

    @rule()
    def delete_record(self) -> None:
        if self.life is not None and len(self.life.ledgers) < 3:
            self._do("delete_record")

    @rule(seconds=TIMES)
    def forward(self, seconds: int) -> None:
        self._do("forward", seconds)

    @rule(fault=SCHEDULED)
    def sweep(self, fault: Fault | None) -> None:
        self._do("sweep", fault)

    @rule(fault=SCHEDULED)
    def reconcile(self, fault: Fault | None) -> None:
        self._do("reconcile", fault)


def machine_over(backend: Backend, budget: Budget, found: list[str] | None = None) -> type[UploadMachine]:
    """The machine for a place and a number of operations.

    Args:
        backend: where.
        budget: how many operations in all.
        found: gets a text for each sequence in which something did not hold; without it hypothesis looks for the
            shortest one.
    """
    return type("UploadMachine", (UploadMachine,), {"backend": backend, "budget": budget, "found": found})
