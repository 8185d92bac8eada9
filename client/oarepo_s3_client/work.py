# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Pieces of work that the engine hands out, and their results."""

from dataclasses import dataclass, field

from oarepo_s3_client.plan import Part


@dataclass(frozen=True, slots=True)
class Sign:
    """Get URLs for these parts; the result is a list of ``SignedPart``."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """Put the part to the URL, or get it from there; the result is ``Arrived``. Attempts are counted from 1."""

    part: Part
    url: str = field(repr=False)
    attempt: int


@dataclass(frozen=True, slots=True)
class Check:
    """Compute the MD5 of the part's own bytes; the result is that, in hexadecimal. ``etag`` is the store's."""

    part: Part
    etag: str


Work = Sign | Move | Check


@dataclass(frozen=True, slots=True)
class SignedPart:
    """A URL, and the seconds that it is good for, None if unknown."""

    number: int
    url: str = field(repr=False)
    lifetime: float | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A part has arrived: the store's ETag without quotes, and the MD5 of what was sent if it was computed."""

    etag: str
    md5: str | None = None
