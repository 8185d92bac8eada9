# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What is asked without a transfer: bytes of a file, its checksum against a local one, and what is wrong."""

import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from oarepo_s3_client import api
from oarepo_s3_client.downloads import compare, find_file
from oarepo_s3_client.errors import ClientError, FileChanged, NotAuthorised, NotFound, ServerTrouble, UploadGone
from oarepo_s3_client.flows import Blocking, Context, Flow
from oarepo_s3_client.integrity import parse_checksum
from oarepo_s3_client.retries import FaultKind, date_of
from oarepo_s3_client.servers.discovery import target_of
from oarepo_s3_client.servers.face import Face, Target
from oarepo_s3_client.servers.protocol import Asking, Operation
from oarepo_s3_client.stores import Sink, StoreFault

MAX_SKEW = 300.0
"""Seconds that the clocks may differ. Nothing of ours depends on the local one, but logs and other tools do."""


def read(
    context: Context, target: str, key: str, start: int, length: int | None, size: int | None = None
) -> Flow[bytes]:
    """Bytes of a file; fewer at its end. The list of the record's files is needed only if the size is not known."""
    asking, known = context.asking("", key), size
    if size is None:
        face, files = yield from context.discover(target_of(target), asking)
        size = find_file(files, key).size or 0
    else:
        face = yield from context.face(target_of(target), asking)
    count = max(0, size - start if length is None else min(length, size - start))
    content = bytearray()
    attempt = 0
    while len(content) < count:
        url = yield from face.location(key)
        at = start + len(content)
        try:
            yield Blocking(partial(_get, context, url, at, count - len(content), content))
        except StoreFault as error:
            attempt += 1
            if known is not None and attempt == 1:
                yield from _check_size(face, key, known)
            if error.fault.kind is FaultKind.FATAL or attempt >= context.options.attempts:
                raise error.fault.error or ServerTrouble(f"The file cannot be read: {error.fault.reason}.") from error
            yield from asking.sleep(error.fault.reason, context.backoff.wait(attempt, error.fault.retry_after))
    return bytes(content)


def _check_size(face: Face, key: str, known: int) -> Flow[None]:
    """Whether the trouble comes from a size that is no longer that of the file."""
    files = yield from face.files()
    if find_file(files, key).size != known:
        raise FileChanged("The record's file has changed since its size was told.", hint="Read it again.")


def _get(context: Context, url: str, first: int, size: int, content: bytearray) -> None:
    begun = len(content)

    def receive() -> Sink:
        del content[begun:]
        return content.extend

    context.stores.get(url, first, size, receive, object())


def _ignore(_: memoryview) -> None:
    """What is read to see whether it can be read at all."""


def verify(context: Context, target: str, key: str, path: Path) -> Flow[api.Verification]:
    """Compare a local file with a record's file by checksum; without one there is nothing to compare."""
    _, files = yield from context.discover(target_of(target), context.asking("", key))
    info = find_file(files, key)
    known = parse_checksum(info.checksum)
    if known is None:
        return api.Verification(False, None, None, info.checksum)
    if info.size == 0 and known.algorithm == "multipart":
        return api.Verification(path.stat().st_size == 0, known.algorithm, None, known.text)
    local = yield from compare(path, known)
    return api.Verification(local == known.text, known.algorithm, local, known.text)


class Doctor:
    """Looks for what would make an upload fail, and changes nothing.

    Args:
        context: of the client.
        target: address of the record.
        now: the local time, in seconds since 1970.
    """

    def __init__(self, context: Context, target: str, now: Callable[[], float] = time.time):
        self._context, self._now = context, now
        self._target: Target = target_of(target)
        self._asking: Asking = context.asking("", "")
        self._checks: list[api.Check] = []

    def run(self) -> Flow[list[api.Check]]:
        """All checks that can be made."""
        address = urlsplit(self._target.url)
        here = address.hostname in ("localhost", "127.0.0.1", "::1")
        self._say(
            "encryption", address.scheme == "https" or here, address.scheme + (", on this machine" if here else "")
        )
        try:
            answer = yield from self._asking.ask("GET", self._target.files)
            face, files = yield from self._context.discover(self._target, self._asking)
        except ClientError as error:
            self._say("repository", False, error.message)
            return self._checks
        self._say("repository", True, f"answers as {face.name}, {len(files)} files")
        self._check_clock(answer.headers.get("date"))
        yield from self._check_token(face)
        yield from self._check_store(face, files)
        return self._checks

    def _say(self, name: str, ok: bool | None, detail: str) -> None:
        self._checks.append(api.Check(name, ok, detail))

    def _check_clock(self, date: str | None) -> None:
        said = None if date is None else date_of(date)
        if said is None:
            self._say("clock", None, "the repository does not say what time it is")
            return
        skew = self._now() - said.timestamp()
        self._say("clock", abs(skew) <= MAX_SKEW, f"{skew:+.0f} s against the repository")

    def _check_token(self, face: Face) -> Flow[None]:
        """Ask for an upload that nobody has: who may not write is not even told that there is none."""
        try:
            yield from face.status(f"oarepo-s3-doctor-{secrets.token_hex(8)}")
        except NotAuthorised as error:
            self._say("token", False, error.message if self._context.options.token else "no token is given")
        except (NotFound, UploadGone):
            self._say("token", True, "may write")
        except ClientError as error:
            self._say("token", None, error.message)

    def _check_store(self, face: Face, files: list[api.FileInfo]) -> Flow[None]:
        url = yield from self._store_url(face, files)
        if url is None:
            self._say("store", None, "no file or upload to find the store by")
            return
        host = urlsplit(url).netloc
        try:
            yield Blocking(lambda: self._context.stores.get(url, 0, 1, lambda: _ignore, self))
        except StoreFault as error:
            # Any answer will do: the URL may be for another method, and the file empty.
            reached = error.fault.kind is FaultKind.EXPIRED or "answers" in error.fault.reason
            self._say("store", reached, host if reached else f"{host}: {error.fault.reason}")
        else:
            self._say("store", True, host)

    def _store_url(self, face: Face, files: list[api.FileInfo]) -> Operation[str | None]:
        for info in files:
            try:
                if info.status == "completed":
                    return (yield from face.location(info.key))
                signed = yield from face.sign(info.key, (1,))
                return signed[0].url
            except ClientError:  # not that file, but perhaps another one
                continue
        return None
