# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What may go wrong during an operation: at a call to the store, or at a commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from invenio_db import db

from oarepo_s3.errors import (
    StoreError,
    StorePartsRefused,
    StoreRefused,
    StoreRetryLater,
    StoreUnknownOutcome,
    StoreUploadGone,
)
from oarepo_s3.testing.interference import OPERATIONS, Interferences

MAX_COMMITS = 12
CHANGING = ("create_upload", "complete_upload", "abort_upload", "delete_object")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        call: a call to the store, or ``commit``.
        kind: what is raised by the store.
        after: the call is made first; of a commit: it has taken effect.
        times: for how many calls of this kind; of a commit: which one in turn.
    """

    call: str
    kind: type[StoreError] | None = None
    after: bool = False
    times: int = 1

    def __repr__(self) -> str:
        kind = self.kind.__name__ if self.kind else "lost"
        return f"{kind} {'after' if self.after else 'before'} {self.call} x{self.times}"


def store_faults() -> list[Fault]:
    """What a store may do: refusals mean that nothing was done, a lost answer may come before or after."""
    faults = [
        Fault(call, kind, after, times)
        for call in OPERATIONS
        for kind, after in (
            (StoreRefused, False), (StoreRetryLater, False), (StoreUnknownOutcome, False), (StoreUnknownOutcome, True),
        )
        for times in (1, 2)
        # What only looks is repeated by the client of the store, and then says: retry later.
        if kind is not StoreUnknownOutcome or call in CHANGING
    ]  # fmt: skip
    # The answer was lost and the call repeated: the store knows the upload no more.
    faults.append(Fault("complete_upload", StoreUploadGone, after=True))
    faults.append(Fault("complete_upload", StorePartsRefused))
    return faults


def commit_faults() -> list[Fault]:
    """The connection to the database is lost at one of the commits of an operation."""
    return [Fault("commit", None, after, number) for number in range(1, MAX_COMMITS + 1) for after in (False, True)]


@contextmanager
def injected(fault: Fault | None, store: Interferences) -> Iterator[None]:
    """Let a fault happen in the block, if it comes to that call."""
    if fault is None:
        yield
    elif fault.call == "commit":
        with _commit_lost(fault):
            yield
    else:
        assert fault.kind is not None
        store.fail(fault.call, fault.kind(f"{fault.call}: injected"), after=fault.after, times=fault.times)
        try:
            yield
        finally:
            store._planned.clear()


@contextmanager
def _commit_lost(fault: Fault) -> Iterator[None]:
    """The error is what SQLAlchemy makes of that of the driver: ``OperationalError``."""
    dialect, count = db.engine.dialect, 0
    commit, lost = dialect.do_commit, dialect.loaded_dbapi.OperationalError

    def do_commit(connection: Any) -> None:
        nonlocal count
        count += 1
        if count == fault.times and not fault.after:
            connection.rollback()
            raise lost("injected before the commit")
        commit(connection)
        if count == fault.times:
            raise lost("injected after the commit")

    dialect.do_commit = do_commit
    try:
        yield
    finally:
        dialect.do_commit = commit
        db.session.rollback()
