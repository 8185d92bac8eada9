# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The one table that says which event is legal in which state of an upload, and where it leads.

Nothing else changes a state: :func:`oarepo_s3.uploads.sessions.advance` asks here first. The diagram in the docs is
generated from this table.
"""

from enum import StrEnum

from ..errors import IllegalTransition


class State(StrEnum):
    """Where an upload is in its life."""

    OPENING = "opening"
    """The row is there, the store has not answered yet."""
    OPEN = "open"
    """The store takes parts."""
    COMPLETING = "completing"
    """Somebody is joining the parts, or was and the outcome is not known yet."""
    COMPLETED = "completed"
    """The file is readable."""
    ABORTING = "aborting"
    """The upload is over; the store may still hold something of it."""
    ABORTED = "aborted"
    """Nothing is left of it, at the store or in the record."""
    FAILED = "failed"
    """The store refused to open it."""
    LOST = "lost"
    """The upload is gone at the store, and no object of ours is there."""


class Event(StrEnum):
    """What can happen to an upload."""

    OPENED = "opened"
    OPEN_REFUSED = "open_refused"
    COMPLETE = "complete"
    PARTS_REFUSED = "parts_refused"
    COMPLETED = "completed"
    LOST = "lost"
    ORPHANED = "orphaned"
    """Its file was deleted behind its back while it was completing."""
    ABORT = "abort"
    EXPIRE = "expire"
    ABANDON = "abandon"
    """It was being opened, and nobody has gone on."""
    ABORTED = "aborted"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.OPENING, Event.OPENED): State.OPEN,
    (State.OPENING, Event.OPEN_REFUSED): State.FAILED,
    (State.OPENING, Event.ABORT): State.ABORTING,
    (State.OPENING, Event.EXPIRE): State.ABORTING,
    (State.OPENING, Event.ABANDON): State.ABORTING,
    (State.OPEN, Event.COMPLETE): State.COMPLETING,
    (State.OPEN, Event.ABORT): State.ABORTING,
    (State.OPEN, Event.EXPIRE): State.ABORTING,
    (State.COMPLETING, Event.PARTS_REFUSED): State.OPEN,
    (State.COMPLETING, Event.COMPLETED): State.COMPLETED,
    (State.COMPLETING, Event.LOST): State.LOST,
    (State.COMPLETING, Event.ORPHANED): State.ABORTING,
    (State.ABORTING, Event.ABORTED): State.ABORTED,
}

ENDED = frozenset({State.COMPLETED, State.ABORTED, State.FAILED, State.LOST})
"""States that no event leaves."""


def next_state(state: State, event: Event) -> State:
    """Where the event leads from the state.

    :raises IllegalTransition: the table has no such row.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"An upload that is {state} cannot be {event}.", state=str(state)) from None


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.OPENING}"]
    lines += [f"    {state} --> {target}: {event}" for (state, event), target in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join(lines)
