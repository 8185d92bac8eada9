# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What the use cases are given to work with; nothing here reads an application's configuration."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.orm import Session, scoped_session

from ..store.contract import Store
from ..store.presign import Presigner
from .models import Upload
from .plan import Limits


class Owner(Protocol):
    """What a face does to its own kind of record; each call runs in the same transaction as the change of the state.

    An owner that knows no record of the upload's bucket does nothing. ``completed`` may raise
    :class:`oarepo_s3.uploads.files.Orphaned` where the record has lost the file meanwhile.
    """

    def opened(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """The files are pending; a batch hands in many."""
        ...

    def completed(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """The files are readable; a batch hands in many."""
        ...

    def releasing(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """The pending files are about to go: nothing may refer to their versions any more; a sweep hands in many."""
        ...

    def released(self, session: scoped_session[Session], uploads: Sequence[Upload]) -> None:
        """The pending files are gone, and the previous versions are what readers get; a sweep hands in many."""
        ...

    def subject(self, upload: Upload) -> tuple[Any, Any] | None:
        """(file, record) to tell signal receivers, or None if this owner knows no such record."""
        ...

    def catch_up(self, upload: Upload) -> None:
        """Do what was owed to a completed file (see :func:`oarepo_s3.uploads.sessions.owe`); outside of transactions.

        An exception puts it off.
        """
        ...


class Announcer(Protocol):
    """Tells the world, outside of any transaction."""

    def before(self, event: str, upload: Upload, **facts: Any) -> None:
        """Something is about to happen; an exception forbids it."""
        ...

    def after(self, event: str, upload: Upload) -> None:
        """Something has happened and is committed; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of an upload's life; times in seconds. Each is documented in :mod:`oarepo_s3.config`."""

    upload_expiration: int
    url_expiration: int
    urls_per_answer: int
    max_urls_per_answer: int
    pin_content_length: bool
    equal_parts: bool
    opaque_etags: bool
    busy_wait: float
    complete_timeout: float
    reconcile_after: int
    max_key_length: int
    one_put_limit: int
    batch_limit: int
    sweep_batch: int
    sweep_concurrency: int
    sweep_deadline: float


@dataclass(frozen=True, slots=True)
class Context:
    """Store, signer, limits, rules, clock and adapters, handed to every use case."""

    store: Store
    presigner: Presigner
    limits: Limits
    rules: Rules
    owners: Callable[[str | None], Sequence[Owner]]
    announcer: Announcer
    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    wire_bucket: Callable[[str], str] = str
    """The store's bucket as it stands in a URL, with its tenant if there is one."""

    def owners_of(self, uploads: Iterable[Upload]) -> list[tuple[Owner, list[Upload]]]:
        """Each owner adapter with those of the uploads that it has to be told of."""
        by_name: dict[str | None, list[Upload]] = {}
        for upload in uploads:
            by_name.setdefault(upload.owner, []).append(upload)
        return [(owner, group) for name, group in by_name.items() for owner in self.owners(name)]

    def after(self, seconds: float) -> datetime:
        """The time so many seconds from now."""
        return self.clock() + timedelta(seconds=seconds)
