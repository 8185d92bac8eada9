# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Which event is legal in which state, of a part and of a transfer; anything else raises and changes nothing."""

from collections.abc import Mapping
from enum import StrEnum


class PartState(StrEnum):
    """Where a part is.

    ``UNCHECKED``: the store has one of that number, and it is not known yet whether it is ours.
    ``READY``: has a URL. ``WAITING``: has failed, and is to be tried again later.
    """

    UNCHECKED = "unchecked"
    CHECKING = "checking"
    MISSING = "missing"
    SIGNING = "signing"
    READY = "ready"
    MOVING = "moving"
    WAITING = "waiting"
    ARRIVED = "arrived"


class PartEvent(StrEnum):
    """What happens to a part."""

    CHECK = "check"
    MATCH = "match"
    DIFFER = "differ"
    SIGN = "sign"
    SIGNED = "signed"
    NOT_SIGNED = "not signed"
    EXPIRE = "expire"
    MOVE = "move"
    ARRIVE = "arrive"
    FAIL = "fail"
    DUE = "due"
    GIVE_BACK = "give back"
    LOSE = "lose"


class TransferState(StrEnum):
    """Where a transfer is."""

    MOVING = "moving"
    PAUSED = "paused"
    MOVED = "moved"
    FAILED = "failed"


class TransferEvent(StrEnum):
    """What happens to a transfer."""

    PAUSE = "pause"
    RESUME = "resume"
    LAST_ARRIVED = "last arrived"
    FAIL = "fail"
    LOSE = "lose"


PART_TRANSITIONS: Mapping[tuple[PartState, PartEvent], PartState] = {
    (PartState.UNCHECKED, PartEvent.CHECK): PartState.CHECKING,
    (PartState.CHECKING, PartEvent.MATCH): PartState.ARRIVED,
    (PartState.CHECKING, PartEvent.DIFFER): PartState.MISSING,
    (PartState.CHECKING, PartEvent.GIVE_BACK): PartState.UNCHECKED,
    (PartState.MISSING, PartEvent.SIGN): PartState.SIGNING,
    (PartState.SIGNING, PartEvent.SIGNED): PartState.READY,
    (PartState.SIGNING, PartEvent.NOT_SIGNED): PartState.MISSING,
    (PartState.READY, PartEvent.EXPIRE): PartState.MISSING,
    (PartState.READY, PartEvent.MOVE): PartState.MOVING,
    (PartState.MOVING, PartEvent.ARRIVE): PartState.ARRIVED,
    (PartState.MOVING, PartEvent.FAIL): PartState.WAITING,
    (PartState.MOVING, PartEvent.EXPIRE): PartState.MISSING,
    (PartState.MOVING, PartEvent.GIVE_BACK): PartState.MISSING,
    (PartState.WAITING, PartEvent.EXPIRE): PartState.MISSING,
    (PartState.WAITING, PartEvent.DUE): PartState.READY,
    (PartState.ARRIVED, PartEvent.LOSE): PartState.MISSING,
}

TRANSFER_TRANSITIONS: Mapping[tuple[TransferState, TransferEvent], TransferState] = {
    (TransferState.MOVING, TransferEvent.PAUSE): TransferState.PAUSED,
    (TransferState.MOVING, TransferEvent.LAST_ARRIVED): TransferState.MOVED,
    (TransferState.MOVING, TransferEvent.FAIL): TransferState.FAILED,
    (TransferState.PAUSED, TransferEvent.RESUME): TransferState.MOVING,
    (TransferState.PAUSED, TransferEvent.LAST_ARRIVED): TransferState.MOVED,
    (TransferState.PAUSED, TransferEvent.FAIL): TransferState.FAILED,
    (TransferState.MOVED, TransferEvent.LOSE): TransferState.MOVING,
}


class IllegalTransition(Exception):
    """The table has no such event in this state: a bug of the caller."""


def next_part_state(state: PartState, event: PartEvent) -> PartState:
    """The state of a part after the event.

    Raises:
        IllegalTransition: the event is not legal in this state.
    """
    try:
        return PART_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a part that is {state} cannot {event}") from None


def next_transfer_state(state: TransferState, event: TransferEvent) -> TransferState:
    """The state of a transfer after the event.

    Raises:
        IllegalTransition: the event is not legal in this state.
    """
    try:
        return TRANSFER_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a transfer that is {state} cannot {event}") from None
