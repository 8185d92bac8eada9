# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Notes about unfinished transfers, one small file each. They hold no URL and no token.

A journal spares work: without it everything still goes on, by what the repository says and by reading the file again.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oarepo_s3_client.api import TransferInfo
from oarepo_s3_client.errors import NotFound, TransferBusy, UsageError
from oarepo_s3_client.plan import Plan
from oarepo_s3_client.sources import Identity

VERSION = 1
SAVE_SECONDS = 1.0
"""A journal is written at most so often; what was not written is hashed again, not sent again."""

LOCK_ATTEMPTS = 10


@dataclass(slots=True)
class Entry:
    """One transfer.

    Attributes:
        transfer: its id, the same each time for the same file and target.
        kind: ``upload`` or ``download``.
        path: the local file, absolute.
        upload: the repository's id of the upload; of a download the checksum.
        etags: number -> ETag of the parts that are there.
        compared: whether these are the MD5s of our own bytes.
        updated_at: seconds since 1970.
    """

    transfer: str
    kind: str
    path: str
    target: str
    key: str
    size: int
    part_size: int
    upload: str
    identity: Identity | None
    compared: bool
    etags: dict[int, str] = field(default_factory=dict)
    updated_at: float = 0.0

    @property
    def done_bytes(self) -> int:
        """Bytes of the parts that are there."""
        return Plan(self.size, self.part_size).bytes_of(self.etags)


def transfer_id(kind: str, path: str, target: str, key: str) -> str:
    """Id of a transfer; short enough to be typed."""
    return hashlib.sha256("\0".join((kind, path, target, key)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def default_folder() -> Path:
    """Where the platform keeps an application's state."""
    chosen = os.environ.get("OAREPO_S3_STATE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "oarepo-s3"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "oarepo-s3"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "oarepo-s3"


class Journal:
    """The journals in a folder.

    Args:
        folder: is made when it is needed, for the user alone.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def load(self, transfer: str) -> Entry | None:
        """The entry; None if there is none that can be read."""
        try:
            document = json.loads(self._path(transfer).read_bytes())
            return _entry_of(document) if document["version"] == VERSION else None
        except (OSError, ValueError, KeyError, TypeError):  # damaged is like missing: everything can be found out again
            return None

    def save(self, entry: Entry) -> None:
        """Write the entry so that there is always the old one or the new one."""
        entry.updated_at = time.time()
        path = self._path(entry.transfer)
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump({"version": VERSION} | asdict(entry), file)
        os.replace(new, path)

    def remove(self, transfer: str) -> None:
        """Forget a transfer."""
        self._path(transfer).unlink(missing_ok=True)

    @contextmanager
    def locked(self, transfer: str) -> Iterator[None]:
        """Keep other processes, and other threads, off a transfer.

        Raises:
            TransferBusy: one of them is at it.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._lock_path(transfer)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _lock(descriptor):
                raise TransferBusy(f"Process {_pid_in(path) or 'unknown'} is at this transfer.")
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            try:
                yield
            finally:
                # Emptied, not removed: somebody may have opened it, and would lock a file that nobody sees.
                os.truncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def entries(self) -> list[Entry]:
        """All that can be read, the last changed first."""
        found = [self.load(path.stem) for path in self.folder.glob("*.json")]
        return sorted((entry for entry in found if entry is not None), key=lambda entry: -entry.updated_at)

    def find(self, transfer: str) -> Entry:
        """The entry with this id, or the last changed one of this path.

        Raises:
            NotFound: there is none.
            UsageError: the path has several.
        """
        path = str(Path(transfer).absolute())
        found = [entry for entry in self.entries() if entry.transfer == transfer or entry.path == path]
        if not found:
            raise NotFound("There is no such transfer in the journal.", hint="See `oarepo-s3 list`.")
        if len(found) > 1:
            ids = ", ".join(entry.transfer for entry in found)
            raise UsageError(f"The file has several transfers: {ids}.", hint="Name one of them by its id.")
        return found[0]

    def infos(self) -> list[TransferInfo]:
        """All entries, with the process that works on each."""
        return [
            TransferInfo(
                entry.transfer,
                entry.kind,
                entry.path,
                entry.target,
                entry.key,
                entry.size,
                entry.done_bytes,
                entry.updated_at,
                self._running_pid(entry.transfer),
            )
            for entry in self.entries()
        ]

    def _running_pid(self, transfer: str) -> int | None:
        """The process that holds the lock. Asking takes the lock for a moment, which is released by closing."""
        path = self._lock_path(transfer)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            return None
        try:
            return None if _try_lock(descriptor) else _pid_in(path)
        finally:
            os.close(descriptor)

    def _path(self, transfer: str) -> Path:
        return self.folder / f"{transfer}.json"

    def _lock_path(self, transfer: str) -> Path:
        return self.folder / f"{transfer}.lock"


def _lock(descriptor: int) -> bool:
    """Take the lock, with a little patience: who lists the transfers holds it for a moment."""
    for _ in range(LOCK_ATTEMPTS):
        if _try_lock(descriptor):
            return True
        time.sleep(0.02)
    return False


def _entry_of(document: dict[str, Any]) -> Entry:
    del document["version"]
    identity, etags = document.pop("identity"), document.pop("etags")
    entry = Entry(**document, identity=Identity(**identity) if identity else None)
    entry.etags = {int(number): str(etag) for number, etag in etags.items()}
    Plan(entry.size, entry.part_size).bytes_of(entry.etags)  # ValueError where the numbers do not go together
    return entry


def _pid_in(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None


if sys.platform == "win32":  # pragma: no cover - the tests run on POSIX
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            # A byte far behind the content, which others may still read.
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
