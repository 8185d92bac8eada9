# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A client that does at once what its world says, in place of the real one."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

from oarepo_s3_client import events
from oarepo_s3_client.api import (
    Cancel,
    Check,
    Downloaded,
    FileInfo,
    Options,
    Report,
    TransferInfo,
    Uploaded,
    UploadItem,
    UploadStatus,
    Verification,
)
from oarepo_s3_client.errors import ClientError, Interrupted

CHECKSUM = "md5:9e107d9d372bb6826bd81d3542a419d6"


@dataclass
class World:
    """What the servers and the journal hold, and what the clients were asked.

    Attributes:
        failures: what goes wrong, by key.
        broken: what goes wrong before anything begins.
        before: called in the middle of each transfer.
        calls: name and arguments of each call.
    """

    files: list[FileInfo] = field(default_factory=list)
    content: dict[str, bytes] = field(default_factory=dict)
    journal: list[TransferInfo] = field(default_factory=list)
    failures: dict[str, ClientError] = field(default_factory=dict)
    broken: ClientError | None = None
    before: Callable[[str], None] = lambda key: None
    upload: UploadStatus | None = None
    verification: Verification | None = None
    checks: list[Check] = field(default_factory=list)
    options: list[Options] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def client(self, options: Options | None = None, *, on_event: Callable[[events.Event], None] | None = None) -> Any:
        """Stands for the class ``Client``."""
        self.options.append(options or Options())
        return FakeClient(self, on_event or (lambda event: None))

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of the calls of a method."""
        return [call[1:] for call in self.calls if call[0] == name]


class FakeClient:
    """Tells the events that the real one would."""

    def __init__(self, world: World, tell: Callable[[events.Event], None]) -> None:
        self._world = world
        self._tell = tell

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def upload(
        self, source: Any, target: str, key: str | None = None, *, size: int | None = None, cancel: Cancel | None = None
    ) -> Uploaded:
        self._world.calls.append(("upload", source, target, key))
        if self._world.broken is not None:
            raise self._world.broken
        data = source.read() if isinstance(source, BinaryIO) or hasattr(source, "read") else Path(source).read_bytes()
        assert key is not None
        if self._world.content.get(key) == data:
            self._tell(events.Notice("already_there", "The repository has this very file already.", key))
            self._tell(events.Finished(f"id-{key}", key, len(data), CHECKSUM, 1.0, 0))
            return Uploaded(key, len(data), CHECKSUM, f"id-{key}", 0, len(data), 1.0)
        self._transfer(key, len(data), cancel)
        self._world.content[key] = data
        return Uploaded(key, len(data), CHECKSUM, f"id-{key}", len(data), 0, 1.0)

    def upload_many(
        self, items: Iterable[UploadItem], target: str, *, on_error: str = "raise", cancel: Cancel | None = None
    ) -> Report:
        self._world.calls.append(("upload_many", target, on_error))
        report = Report([], [])
        for item in items:
            try:
                report.uploaded.append(self.upload(item.source, target, item.key, cancel=cancel))
            except Interrupted:
                raise
            except ClientError as error:
                if on_error == "raise":
                    raise
                report.failed.append((item, error))
        return report

    def download(self, target: str, key: str, destination: Path, *, cancel: Cancel | None = None) -> Downloaded:
        self._world.calls.append(("download", target, key, destination))
        data = self._world.content[key]
        self._transfer(key, len(data), cancel)
        destination.write_bytes(data)
        return Downloaded(key, destination, len(data), CHECKSUM, f"id-{key}", len(data), 0, 1.0)

    def resume(self, transfer: str, *, cancel: Cancel | None = None) -> Uploaded:
        self._world.calls.append(("resume", transfer))
        (info,) = [one for one in self._world.journal if one.transfer == transfer]
        self._transfer(info.key, info.size, cancel, info.done_bytes)
        return Uploaded(info.key, info.size, CHECKSUM, transfer, info.size - info.done_bytes, info.done_bytes, 1.0)

    def transfers(self) -> list[TransferInfo]:
        return list(self._world.journal)

    def forget(self, transfer: str) -> None:
        self._world.calls.append(("forget", transfer))

    def status(self, target: str, key: str) -> UploadStatus:
        self._fail(key)
        assert self._world.upload is not None
        return self._world.upload

    def abort(self, target: str, key: str) -> None:
        self._world.calls.append(("abort", target, key))
        self._fail(key)

    def delete(self, target: str, key: str) -> None:
        self._world.calls.append(("delete", target, key))
        self._fail(key)

    def list(self, target: str) -> list[FileInfo]:
        self._fail("list")
        return list(self._world.files)

    def read(self, target: str, key: str, start: int = 0, length: int | None = None) -> bytes:
        self._world.calls.append(("read", start, length))
        return self._world.content[key][start : None if length is None else start + length]

    def verify(self, target: str, key: str, path: str) -> Verification:
        assert self._world.verification is not None
        return self._world.verification

    def doctor(self, target: str) -> "list[Check]":
        return self._world.checks

    def _transfer(self, key: str, size: int, cancel: Cancel | None, resumed: int = 0) -> None:
        name = f"id-{key}"
        self._tell(events.Started(name, key, size, 1, size, resumed, "records_files"))
        self._tell(events.Progress(name, key, resumed + (size - resumed) // 2, size))
        self._world.before(key)
        if cancel is not None and cancel.cancelled:
            raise Interrupted("Interrupted.")
        self._fail(key, name)
        self._tell(events.PartDone(name, key, 1, size, 1))
        self._tell(events.Finishing(name, key))
        self._tell(events.Finished(name, key, size, CHECKSUM, 1.0, size - resumed))

    def _fail(self, key: str, transfer: str | None = None) -> None:
        error = self._world.failures.get(key)
        if error is None:
            return
        if transfer is not None:
            self._tell(events.Failed(transfer, key, error.code, error.message, error.hint))
        raise error


def there(key: str, content: bytes) -> FileInfo:
    """A file of the record."""
    return FileInfo(key, len(content), f"md5:{hashlib.md5(content).hexdigest()}", "completed")
