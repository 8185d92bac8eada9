# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Errors and other code put into the calls of a fake store."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from oarepo_s3.errors import StoreError

OPERATIONS = (
    "create_upload",
    "list_parts",
    "complete_upload",
    "abort_upload",
    "head_object",
    "delete_object",
    "list_uploads",
)
"""Names of the calls of :class:`~oarepo_s3.store.contract.Store`."""


class Call(NamedTuple):
    """A call that was made: its name, and its arguments in the order of the contract."""

    name: str
    args: tuple[Any, ...]


@dataclass(slots=True)
class _Interference:
    operation: str
    action: Callable[[], object]
    after: bool
    times: int


class Interferences:
    """What is to happen in the next calls; each thing happens ``times`` times, in the order of adding."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Interference] = []
        self.calls: list[Call] = []
        """Every call so far, those that failed included."""

    def fail(
        self, operation: str, error: StoreError, *, before: bool = True, after: bool = False, times: int = 1
    ) -> None:
        """Raise ``error`` from the next calls of ``operation``.

        :param before: raise instead of doing it: nothing is done at the store. The default.
        :param after: do it and then raise: the answer is lost. Goes before ``before``.
        :raises ValueError: there is no such operation, or neither time is wanted.
        """
        if not (before or after):
            raise ValueError("an error has to come before or after the call")

        def raise_error() -> None:
            raise error

        self.on(operation, raise_error, after=after, times=times)

    def on(self, operation: str, action: Callable[[], object], *, after: bool = False, times: int = 1) -> None:
        """Run ``action`` in the next calls of ``operation``, before or after what they do; for races.

        It may use the store: no lock is held meanwhile.

        :raises ValueError: there is no such operation.
        """
        if operation not in OPERATIONS:
            raise ValueError(f"no operation {operation!r}; there are {', '.join(OPERATIONS)}")
        with self._lock:
            self._planned.append(_Interference(operation, action, after, times))

    @contextmanager
    def _called(self, operation: str, *args: Any) -> Iterator[None]:
        """Note a call, and interfere before and after what is done inside; not after it has failed."""
        with self._lock:
            self.calls.append(Call(operation, args))
        self._interfere(operation, after=False)
        yield
        self._interfere(operation, after=True)

    def _interfere(self, operation: str, *, after: bool) -> None:
        for action in self._due(operation, after):
            action()

    def _due(self, operation: str, after: bool) -> list[Callable[[], object]]:
        with self._lock:
            due = [one for one in self._planned if (one.operation, one.after) == (operation, after)]
            for one in due:
                one.times -= 1
            self._planned = [one for one in self._planned if one.times > 0]
        return [one.action for one in due]
