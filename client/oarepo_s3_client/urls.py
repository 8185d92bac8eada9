# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""URLs that wait for their parts: just as many as are needed soon, and none that is about to expire."""

import heapq
from dataclasses import dataclass, field

from oarepo_s3_client.work import SignedPart

MAX_WINDOW = 200
"""Most URLs that are asked for at a time."""

SECONDS_LOST = 1.0
"""Times come in whole seconds, so that one may be gone already."""

LONGEST_MARGIN = 30.0
"""Seconds at most that a URL is dropped before its end: a twentieth of its life, for the way to the store."""

SHORTEST_USE = 0.5
"""Seconds that even the shortest-lived URL is taken for good; the store is the judge then."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL with the time it is good until, and the number of the answer that it came with."""

    text: str = field(repr=False)
    good_until: float
    answer: int


class UrlShelf:
    """The URLs of parts that are ready, waiting or on the move.

    Args:
        lanes: how many are used at a time.
    """

    def __init__(self, lanes: int):
        self._lanes = lanes
        self._window = 2 * lanes
        self._answers = 0
        self._urls: dict[int, Url] = {}
        self._ready: list[int] = []

    @property
    def is_low(self) -> bool:
        """Whether it is time to ask for more."""
        return len(self._ready) < self._lanes

    @property
    def has_ready(self) -> bool:
        """Whether a part could go at once."""
        return bool(self._ready)

    def next_window(self) -> int:
        """How many to ask for now: twice as many each time, as long as none expires unused."""
        window = self._window
        self._window = min(MAX_WINDOW, 2 * window)
        return window

    def begin_answer(self) -> None:
        """What is added from now on came with another answer."""
        self._answers += 1

    def add(self, part: SignedPart, asked_at: float) -> None:
        """Take a URL that was asked for at this time of the clock."""
        good_until = float("inf")
        if part.lifetime is not None:
            margin = SECONDS_LOST + min(LONGEST_MARGIN, part.lifetime / 20)
            good_until = asked_at + max(SHORTEST_USE, part.lifetime - margin)
        self._urls[part.number] = Url(part.url, good_until, self._answers)
        self.make_ready(part.number)

    def make_ready(self, number: int) -> None:
        """Put a part that has a URL among those that may go."""
        heapq.heappush(self._ready, number)

    def pop(self, now: float) -> tuple[int, Url | None]:
        """The first ready part, and its URL or None if that has expired. There has to be one."""
        number = heapq.heappop(self._ready)
        url = self._urls[number]
        if url.good_until > now:
            return number, url
        self._window = self._lanes
        return number, None

    def has(self, number: int) -> bool:
        """Whether there is a URL for the part."""
        return number in self._urls

    def drop(self, number: int) -> None:
        """Forget the URL of a part that is not ready."""
        self._urls.pop(number, None)

    def expired(self, number: int) -> list[int]:
        """The store refuses the URL of this part: ready parts whose URLs are no younger, and now are ready no more."""
        oldest_good = self._urls[number].answer + 1
        stale = [ready for ready in self._ready if self._urls[ready].answer < oldest_good]
        self._ready = [ready for ready in self._ready if self._urls[ready].answer >= oldest_good]
        heapq.heapify(self._ready)
        self._window = self._lanes
        return stale
