# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Do something when the caller's transaction has ended, one way or the other.

The listeners stand on the class of sessions and look into the session's own list, as a listener that takes itself off
would change what SQLAlchemy is just going through.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

_WAITING = "oarepo_s3_waiting"


@dataclass(frozen=True, slots=True)
class _Waiting:
    witness: Any
    committed: Callable[[], None] | None
    rolled_back: Callable[[], None] | None


def when_ended(
    session: Session,
    witness: Any,
    *,
    committed: Callable[[], None] | None = None,
    rolled_back: Callable[[], None] | None = None,
) -> None:
    """Call one of the functions when the transaction that is open now, or a savepoint in it, has ended.

    :param witness: an object that was added in the transaction; a roll-back that it survives is none of ours.
    :param committed: called after the outermost commit; must not touch the database.
    :param rolled_back: called after the roll-back; must not touch the database.
    """
    session.info.setdefault(_WAITING, []).append(_Waiting(witness, committed, rolled_back))


@sa.event.listens_for(Session, "after_commit")
def _after_commit(session: Session) -> None:
    if not session.in_nested_transaction():  # it is also sent when a savepoint is released
        for waiting in session.info.pop(_WAITING, ()):
            if waiting.committed is not None:
                waiting.committed()


@sa.event.listens_for(Session, "after_soft_rollback")
def _after_rollback(session: Session, _: Any) -> None:
    everyone: list[_Waiting] = session.info.pop(_WAITING, [])
    still = [waiting for waiting in everyone if sa.inspect(waiting.witness).persistent]
    if still:
        session.info[_WAITING] = still
    for waiting in everyone:
        if waiting not in still and waiting.rolled_back is not None:
            waiting.rolled_back()
