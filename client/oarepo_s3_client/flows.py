# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What a client does, as generators: they yield effects, and either client performs these its own way.

Beside the effects of ``servers.protocol`` there are two: a call that may block, and parts to be moved by lanes.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol, TypeVar

from oarepo_s3_client import api
from oarepo_s3_client.events import Event, Notice, Retry
from oarepo_s3_client.journal import Journal
from oarepo_s3_client.pacing import Pacing
from oarepo_s3_client.plan import MIB
from oarepo_s3_client.retries import Backoff
from oarepo_s3_client.servers.discovery import discover
from oarepo_s3_client.servers.face import Face, Target
from oarepo_s3_client.servers.protocol import Asking, Request, Sleep
from oarepo_s3_client.stores import Stores

T = TypeVar("T")

ONE_PUT_LIMIT = 16 * MIB
"""Bytes of a file that is read for its MD5 before its upload is opened: what the server takes by one PUT by default."""


@dataclass(frozen=True, slots=True)
class Blocking:
    """Call this, off the event loop if there is one; the result is its."""

    call: Callable[[], Any]


class Parts(Protocol):
    """Parts to be moved: what a driver of lanes has to know."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to do."""
        ...

    @property
    def due(self) -> float | None:
        """Seconds until there may be work without any result."""
        ...

    def next_work(self) -> Sequence[Any]:
        """What to begin now."""
        ...

    def job(self, item: Any) -> "Flow[Any]":
        """How a piece of work is done."""
        ...

    def settle(self, item: Any, outcome: Any) -> None:
        """Take the result of a piece of work, or the exception."""
        ...

    def stop(self) -> None:
        """Begin nothing more, and break off what is under way; from the driver's thread."""
        ...


@dataclass(frozen=True, slots=True)
class Lanes:
    """Move all these parts, several at a time."""

    parts: Parts


Effect = Request | Sleep | Blocking | Lanes
Flow = Generator[Effect, Any, T]


@dataclass
class Context:
    """What all flows of a client share.

    Attributes:
        emit: takes events, from any thread.
        faces: class of the face by target, as it was found.
        one_put_limits: bytes of a file that may go by one PUT, by target, where its answers have told.
        without_list: targets of which the user was told that they do not know which parts have arrived.
        hashers: threads that hash blocks while they are sent: MD5 takes about as long as a fast network does.
    """

    options: api.Options
    stores: Stores
    emit: Callable[[Event], None]
    journal: Journal
    pacing: Pacing
    faces: dict[Target, type] = field(default_factory=dict)
    one_put_limits: dict[Target, int] = field(default_factory=dict)
    without_list: set[Target] = field(default_factory=set)
    hashers: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.hashers = ThreadPoolExecutor(self.options.parallel, thread_name_prefix="oarepo-s3-md5")

    def close(self) -> None:
        """Close the connections to stores that nobody uses, and end the threads."""
        self.stores.close()
        self.hashers.shutdown()

    @property
    def backoff(self) -> Backoff:
        """Attempts and waits."""
        return Backoff(self.options.attempts)

    def one_put_limit(self, target: Target) -> int:
        """Bytes of a file up to which it may go by one PUT, so that its MD5 is worth knowing before."""
        limit = self.one_put_limits.get(target, ONE_PUT_LIMIT)
        return min(limit, self.options.part_size or limit)

    def note_plan(self, target: Target, size: int) -> None:
        """Remember that the repository does not have a file of this size sent by one PUT."""
        self.one_put_limits[target] = min(self.one_put_limits.get(target, ONE_PUT_LIMIT), max(0, size - 1))

    def tell_no_list(self, target: Target, key: str, *, again: bool) -> None:
        """Tell, once, that the repository does not know which parts have arrived, and that a file is sent again."""
        if target not in self.without_list:
            self.without_list.add(target)
            text = (
                "This repository gives no list of the parts that have arrived: only this machine's journal knows them."
            )
            self.emit(Notice("no_part_list", text, key))
        if again:
            text = "The upload is open already, and the journal does not know its parts: all of them are sent again."
            self.emit(Notice("sent_again", text, key))

    def asking(self, transfer: str, key: str) -> Asking:
        """How requests for a transfer are repeated."""
        return Asking(self.backoff, lambda reason, wait: self.emit(Retry(transfer, key, None, reason, wait)))

    def discover(self, target: Target, asking: Asking) -> Flow[tuple[Face, list[api.FileInfo]]]:
        """The face at the target, and the record's files."""
        known = self.faces.get(target)
        if known is not None:
            face: Face = known(target, asking)
            return face, (yield from face.files())
        face, files = yield from discover(target, asking)
        self.faces[target] = type(face)
        return face, files

    def face(self, target: Target, asking: Asking) -> Flow[Face]:
        """The face at the target; asks only the first time."""
        known = self.faces.get(target)
        if known is not None:
            face: Face = known(target, asking)
            return face
        face, _ = yield from self.discover(target, asking)
        return face


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begun = monotonic()

    @property
    def seconds(self) -> float:
        """To a thousandth."""
        return round(monotonic() - self._begun, 3)
