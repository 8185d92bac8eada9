# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What a transfer tells while it runs. Each event has a stable ``type``; ``as_dict`` is a line of ``--json``."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that has happened."""

    type: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """The event with its type first, ready for JSON. Fields that are None are left out."""
        return {"type": self.type} | {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Started(Event):
    """A transfer begins or goes on. Sizes are in bytes; ``resumed_bytes`` had arrived before."""

    type: ClassVar[str] = "started"
    transfer: str
    key: str
    size: int
    parts: int
    part_size: int
    resumed_bytes: int
    face: str


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """So many bytes of the file are at the other end, or on their way in this attempt; never more than ``size``."""

    type: ClassVar[str] = "progress"
    transfer: str
    key: str
    bytes: int
    size: int


@dataclass(frozen=True, slots=True)
class PartDone(Event):
    """One part has arrived and its MD5 was compared."""

    type: ClassVar[str] = "part"
    transfer: str
    key: str
    part: int
    bytes: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Retry(Event):
    """Something is tried again after ``wait`` seconds. ``part`` is None for a request to the repository."""

    type: ClassVar[str] = "retry"
    transfer: str
    key: str
    part: int | None
    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class Finishing(Event):
    """All bytes are there; the other end puts them together, or the whole is compared."""

    type: ClassVar[str] = "finishing"
    transfer: str
    key: str


@dataclass(frozen=True, slots=True)
class Finished(Event):
    """The transfer is done. ``bytes_sent`` counts repeated bytes, too (of a download: received)."""

    type: ClassVar[str] = "finished"
    transfer: str
    key: str
    size: int
    checksum: str | None
    seconds: float
    bytes_sent: int


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The transfer has ended without success."""

    type: ClassVar[str] = "failed"
    transfer: str | None
    key: str
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something the user should know; nothing has failed."""

    type: ClassVar[str] = "notice"
    code: str
    message: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Summary(Event):
    """The end of a run over one or more files."""

    type: ClassVar[str] = "summary"
    files: int
    failed: int
    bytes: int
    seconds: float
