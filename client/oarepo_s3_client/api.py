# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Options, arguments and results of the clients."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import BinaryIO

from oarepo_s3_client.errors import ClientError, UsageError

Source = str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True, slots=True)
class Options:
    """How transfers are done.

    Attributes:
        token: the repository's bearer token; goes to the repository's host only.
        parallel: parts, or files, at a time.
        part_size: bytes of a part; the server chooses if None.
        limit_rate: bytes a second, all lanes together; None for no limit.
        ca_bundle: PEM file of the authorities to trust, in place of the system's.
        proxy: URL of an HTTP proxy for both hosts; else as the environment says.
        timeout: seconds to wait for a connection and for each answer or block.
        attempts: how often each part or request is tried, at least 1.
        part_md5: compare the MD5 of each part with what the store answers.
        journal: keep a journal of unfinished transfers.
        state_dir: where; else ``OAREPO_S3_STATE_DIR``, else the platform's place for state.
    """

    token: str | None = field(default=None, repr=False)
    parallel: int = 4
    part_size: int | None = None
    limit_rate: int | None = None
    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 60.0
    attempts: int = 8
    part_md5: bool = True
    journal: bool = True
    state_dir: Path | None = None

    def __post_init__(self) -> None:
        for name in ("parallel", "part_size", "limit_rate", "timeout", "attempts"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} has to be more than 0.")


class Cancel:
    """Stops transfers from another thread or a signal handler; finished parts stay."""

    def __init__(self) -> None:
        self._cancelled = False
        self._listeners: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Ask to stop. May be called again."""
        # No lock: a signal handler may run while the thread that it interrupts holds one.
        self._cancelled = True
        for listener in tuple(self._listeners):
            listener()

    @property
    def cancelled(self) -> bool:
        """Whether somebody has asked to stop."""
        return self._cancelled

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call ``listener`` when somebody asks to stop; at once if somebody has. It must not take a lock."""
        self._listeners.append(listener)
        try:
            if self._cancelled:
                listener()
            yield
        finally:
            self._listeners.remove(listener)

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; True at once when cancelled."""
        # put() of SimpleQueue may be called by a signal handler that interrupts get().
        woken: SimpleQueue[None] = SimpleQueue()
        with self.calling(lambda: woken.put(None)), suppress(Empty):
            woken.get(timeout=seconds)
        return self._cancelled


@dataclass(frozen=True, slots=True)
class UploadItem:
    """One file of many. ``size`` is needed for a stream that cannot be sought."""

    source: Source
    key: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file is there. ``bytes_sent`` counts repeated bytes too; ``resumed_bytes`` had arrived before."""

    key: str
    size: int
    checksum: str | None
    transfer: str
    bytes_sent: int
    resumed_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file has come. ``checksum`` is the one it was verified against, None if the repository has none of use."""

    key: str
    path: Path
    size: int
    checksum: str | None
    transfer: str
    bytes_received: int
    resumed_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What became of many files."""

    uploaded: list[Uploaded] = field(default_factory=list)
    failed: list[tuple[UploadItem, ClientError]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of a record. ``status`` is ``completed`` or ``pending``; checksum and size as the repository says."""

    key: str
    size: int | None
    checksum: str | None
    status: str
    mimetype: str | None = None


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """An upload at the server. ``missing`` holds ranges, first and last part of each.

    ``arrived`` and ``missing`` are empty, and ``known`` False, where the server cannot list parts (stock InvenioRDM).
    """

    state: str
    size: int
    part_size: int
    parts_count: int
    arrived: list[int]
    missing: list[tuple[int, int]]
    expires_at: str | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Verification:
    """A local file against a record's file. Checksums are ``algorithm:value``; None if there is nothing to compare."""

    matches: bool
    algorithm: str | None
    local: str | None
    remote: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of the doctor. ``ok`` is None if it could not be tried."""

    name: str
    ok: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class TransferInfo:
    """An unfinished transfer in the journal. ``kind`` is ``upload`` or ``download``; ``done_bytes`` as last known."""

    transfer: str
    kind: str
    path: str
    target: str
    key: str
    size: int
    done_bytes: int
    updated_at: float
    running_pid: int | None
