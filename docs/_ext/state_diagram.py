# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The states of an upload as an inline SVG, drawn from the table of transitions.

Only the places of the boxes are written down here. A state that has none, or a place for a state that is gone, is an
error of the build. Colours are those of the theme, so that the picture follows its light and dark mode.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

from oarepo_s3.uploads.states import ENDED, TRANSITIONS, Event, State

WIDTH, HEIGHT = 940, 300
BOX_WIDTH, BOX_HEIGHT = 124, 40
LINE_HEIGHT = 17
SHIFT = 9
"""How far an arrow is moved aside where another one leads back."""

PLACES: Mapping[State, tuple[int, int]] = {
    State.OPENING: (80, 50),
    State.OPEN: (340, 50),
    State.COMPLETING: (600, 50),
    State.COMPLETED: (860, 50),
    State.FAILED: (80, 250),
    State.ABORTING: (340, 250),
    State.ABORTED: (600, 250),
    State.LOST: (860, 250),
}

_PAPER = "var(--color-background-primary, #fff)"
_INK = "var(--color-foreground-primary, #000)"
_LINE = "var(--color-foreground-muted, #666)"
_LIVE = "var(--color-background-secondary, #f2f2f2)"
_BRAND = "var(--color-brand-primary, #0a4bff)"
_FONT = 'font-family="var(--font-stack, sans-serif)"'


class Point(NamedTuple):
    """A place in the picture, in pixels."""

    x: float
    y: float


def arrows() -> dict[tuple[State, State], list[Event]]:
    """The events that lead from one state to another, in the order of the table."""
    found: dict[tuple[State, State], list[Event]] = {}
    for (state, event), target in TRANSITIONS.items():
        found.setdefault((state, target), []).append(event)
    return found


def svg() -> str:
    """The picture.

    :raises ValueError: the places do not fit the states.
    """
    if unplaced := set(State) ^ set(PLACES):
        raise ValueError(f"docs/_ext/state_diagram.py: no place for {', '.join(sorted(unplaced))}, or one too many")
    lines = [
        f'<svg class="upload-states" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="States of an upload and the events between them" style="width: 100%; height: auto" {_FONT}>',
        '<defs><marker id="upload-arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" style="fill: {_LINE}"/></marker></defs>',
    ]
    edges = list(_edges())
    lines += [edge for edge, _ in edges]
    lines += [_box(state) for state in State]
    lines += [label for _, label in edges]
    return "\n".join([*lines, "</svg>"])


def _box(state: State) -> str:
    x, y = PLACES[state]
    dashes = "" if state in ENDED else ' stroke-dasharray="5 3"'
    fill = _LIVE if state in ENDED else _PAPER
    return (
        f'<g class="state" data-state="{state}" data-ended="{str(state in ENDED).lower()}">'
        f'<rect x="{x - BOX_WIDTH / 2}" y="{y - BOX_HEIGHT / 2}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="7" '
        f'stroke-width="1.6"{dashes} style="fill: {fill}; stroke: {_BRAND}"/>'
        f'<text x="{x}" y="{y + 5}" text-anchor="middle" font-size="16" font-weight="600" style="fill: {_INK}">'
        f"{escape(state)}</text></g>"
    )


def _edges() -> Iterator[tuple[str, str]]:
    """Line and label of each arrow."""
    found = arrows()
    for (state, target), events in found.items():
        start, end = Point(*PLACES[state]), Point(*PLACES[target])
        aside = 0
        if (target, state) in found:  # two arrows between the same boxes: one above the other, labels outside
            aside = -SHIFT if end.x > start.x else SHIFT
        first, last = _border(start, end), _border(end, start)
        line = (
            f'<path d="M{first.x:g} {first.y + aside:g} L{last.x:g} {last.y + aside:g}" fill="none" '
            f'stroke-width="1.4" marker-end="url(#upload-arrow)" style="stroke: {_LINE}"/>'
        )
        middle = Point((first.x + last.x) / 2, (first.y + last.y) / 2 + aside * 2.1)
        yield line, _label(state, target, events, middle)


def _border(centre: Point, towards: Point) -> Point:
    """Where the line from the middle of a box leaves it, with a little air."""
    dx, dy = towards.x - centre.x, towards.y - centre.y
    scale = min((BOX_WIDTH / 2 + 3) / abs(dx) if dx else 9e9, (BOX_HEIGHT / 2 + 3) / abs(dy) if dy else 9e9)
    return Point(round(centre.x + dx * scale, 1), round(centre.y + dy * scale, 1))


def _label(state: State, target: State, events: list[Event], middle: Point) -> str:
    x, y = middle
    width = max(len(event) for event in events) * 7.4 + 8
    top = y - len(events) * LINE_HEIGHT / 2
    texts = "".join(
        f'<text x="{x:g}" y="{top + LINE_HEIGHT * (row + 0.76):g}" text-anchor="middle" font-size="13" '
        f'data-from="{state}" data-event="{event}" data-to="{target}" style="fill: {_INK}">{escape(event)}</text>'
        for row, event in enumerate(events)
    )
    height = len(events) * LINE_HEIGHT
    return (
        f'<g><rect x="{x - width / 2:g}" y="{top:g}" width="{width:g}" height="{height}" '
        f'style="fill: {_PAPER}"/>{texts}</g>'
    )
