# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The table of states, each pair of state and event."""

import itertools

import pytest

from oarepo_s3.errors import IllegalTransition
from oarepo_s3.uploads.states import ENDED, TRANSITIONS, Event, State, diagram, next_state

PAIRS = list(itertools.product(State, Event))


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=lambda value: str(value))
def test_every_pair(state: State, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"is {state} cannot be {event}") as refused:
            next_state(state, event)
        assert refused.value.details == {"state": str(state)}


def test_no_event_leaves_an_end_and_every_other_state_can_be_left() -> None:
    left = {state for state, _ in TRANSITIONS}
    assert left & ENDED == set()
    assert left | ENDED == set(State)


def test_every_state_can_be_reached_and_can_end() -> None:
    def reachable(start: State) -> set[State]:
        found, todo = {start}, [start]
        while todo:
            here = todo.pop()
            new = {target for (state, _), target in TRANSITIONS.items() if state is here} - found
            found |= new
            todo += new
        return found

    assert reachable(State.OPENING) == set(State)
    assert all(reachable(state) & ENDED for state in State)


def test_every_event_leads_somewhere() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_only_a_completing_upload_is_completed_or_lost() -> None:
    before = {state for (state, _), target in TRANSITIONS.items() if target in (State.COMPLETED, State.LOST)}
    assert before == {State.COMPLETING}


def test_diagram_shows_each_transition_once() -> None:
    lines = diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> opening"]
    arrows = [f"    {state} --> {target}: {event}" for (state, event), target in TRANSITIONS.items()]
    ends = [f"    {state} --> [*]" for state in ENDED]
    assert sorted(lines[2:]) == sorted(arrows + ends)


def test_names_fit_their_columns() -> None:
    assert all(len(name) <= 16 for name in [*State, *Event, "created"])
