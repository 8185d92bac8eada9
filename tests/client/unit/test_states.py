# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
from itertools import product

import pytest

from oarepo_s3_client.states import (
    PART_TRANSITIONS,
    TRANSFER_TRANSITIONS,
    IllegalTransition,
    PartEvent,
    PartState,
    TransferEvent,
    TransferState,
    next_part_state,
    next_transfer_state,
)


@pytest.mark.parametrize(("state", "event"), product(PartState, PartEvent))
def test_parts_follow_the_table(state: PartState, event: PartEvent) -> None:
    if (state, event) in PART_TRANSITIONS:
        assert next_part_state(state, event) is PART_TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match=str(event)):
            next_part_state(state, event)


@pytest.mark.parametrize(("state", "event"), product(TransferState, TransferEvent))
def test_transfers_follow_the_table(state: TransferState, event: TransferEvent) -> None:
    if (state, event) in TRANSFER_TRANSITIONS:
        assert next_transfer_state(state, event) is TRANSFER_TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match=str(event)):
            next_transfer_state(state, event)


def test_every_state_can_be_reached_and_left_but_the_ends() -> None:
    assert {state for state, _ in PART_TRANSITIONS} == set(PartState)
    assert set(PART_TRANSITIONS.values()) == set(PartState)
    assert set(TransferState) - {state for state, _ in TRANSFER_TRANSITIONS} == {TransferState.FAILED}
