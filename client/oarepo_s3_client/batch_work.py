# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Pieces of work with many files. Two are never equal, however alike."""

from dataclasses import dataclass, replace
from time import monotonic

from oarepo_s3_client import api
from oarepo_s3_client.flows import Flow
from oarepo_s3_client.gathering import One
from oarepo_s3_client.sending import one_by_one
from oarepo_s3_client.servers.face import CompleteResult, Face
from oarepo_s3_client.servers.protocol import Sleep
from oarepo_s3_client.work import SignedPart


@dataclass(frozen=True, eq=False, slots=True)
class Gather:
    """Look at the next files; ``room`` is for bytes of content. The result is ``Gathered``."""

    room: int


@dataclass(frozen=True, eq=False, slots=True)
class Open:
    """Open these uploads by one request; the result is that of ``Face.open_many``."""

    files: list[One]


@dataclass(frozen=True, eq=False, slots=True)
class Send:
    """Put this file, which is open; there is no result."""

    one: One


@dataclass(frozen=True, eq=False, slots=True)
class Complete:
    """Complete these uploads by one request; the result is that of ``Face.complete_many``."""

    files: list[One]


@dataclass(frozen=True, eq=False, slots=True)
class Alone:
    """Upload this file as if it were the only one; the result is ``Uploaded``."""

    one: One


@dataclass(frozen=True, eq=False, slots=True)
class Finish:
    """Complete this upload by itself, and send again what is missed; the result is ``Uploaded``."""

    one: One


ManyWork = Gather | Open | Send | Complete | Alone | Finish
IN_A_LANE = (Send, Alone, Finish)
"""Of these there are as many at a time as there are lanes."""


def send(one: One) -> Flow[None]:
    """Put the file of an upload that is open."""
    assert one.small is not None
    assert one.opened is not None
    face = yield from one.upload.face()
    opened = replace(one.opened, signed=aged(one.opened.signed, monotonic() - one.opened_at))
    one.parts = one.upload.sending(face, one.small, opened, one.small.md5)
    try:
        yield from one_by_one(one.parts)
        one.parts.raise_unless_moved()
    finally:
        one.small.close()


def aged(signed: list[SignedPart], seconds: float) -> list[SignedPart]:
    """The URLs that are good still, so many seconds after they came."""
    left = [replace(one, lifetime=None if one.lifetime is None else one.lifetime - seconds) for one in signed]
    return [one for one in left if one.lifetime is None or one.lifetime > 0]


def complete(face: Face, files: list[One]) -> Flow[list[CompleteResult]]:
    """Complete uploads whose files have arrived."""
    for one in files:
        one.upload.tell_finishing()
    etags = {one.upload.key: one.parts.engine.etags for one in files if one.parts is not None}
    return (yield from face.complete_many(etags))


def finish(one: One) -> Flow[api.Uploaded]:
    """Complete the upload of a file that has arrived, and send it again if it is missed."""
    if one.wait:
        yield Sleep(one.wait)
    assert one.parts is not None
    return (yield from one.upload.complete(one.parts))
