# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Do something when the caller's transaction has ended, one way or the other.

The listeners stand on the class of sessions and look into the session's own list, as a listener that takes itself off
would change what SQLAlchemy is just going through.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, SessionTransaction

_WAITING = "oarepo_s3_waiting"
_COMMITTED = "oarepo_s3_committed"


@dataclass(frozen=True, slots=True)
class _Waiting:
    begun_in: SessionTransaction | None
    committed: Callable[[], None] | None
    closed: Callable[[], None] | None
    rolled_back: Callable[[], None] | None


def when_ended(
    session: Session,
    *,
    committed: Callable[[], None] | None = None,
    closed: Callable[[], None] | None = None,
    rolled_back: Callable[[], None] | None = None,
) -> None:
    """Call one of the functions when what the session has just done is kept, or is not.

    :param committed: called after the outermost commit; must not touch the database.
    :param closed: called after the outermost commit, when the connection has been given back; may use the database,
        must not raise.
    :param rolled_back: called after the roll-back of the transaction, or of a savepoint that is open now; must not
        touch the database.
    """
    begun_in = session.get_nested_transaction() or session.get_transaction()
    session.info.setdefault(_WAITING, []).append(_Waiting(begun_in, committed, closed, rolled_back))


@sa.event.listens_for(Session, "after_commit")
def _after_commit(session: Session) -> None:
    if not session.in_nested_transaction():  # it is also sent when a savepoint is released
        for waiting in session.info.pop(_WAITING, ()):
            if waiting.committed is not None:
                waiting.committed()
            if waiting.closed is not None:
                session.info.setdefault(_COMMITTED, []).append(waiting.closed)


@sa.event.listens_for(Session, "after_soft_rollback")
def _after_rollback(session: Session, ended: SessionTransaction) -> None:
    _roll_back(session, ended)


@sa.event.listens_for(Session, "after_transaction_end")
def _after_end(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:  # closed without a commit or a roll-back: the database rolls back
        _roll_back(session, ended)
        for closed in session.info.pop(_COMMITTED, ()):
            closed()


def _roll_back(session: Session, ended: SessionTransaction) -> None:
    everyone: list[_Waiting] = session.info.pop(_WAITING, [])
    still = [waiting for waiting in everyone if ended not in _around(waiting.begun_in)]
    if still:
        session.info[_WAITING] = still
    for waiting in everyone:
        if waiting not in still and waiting.rolled_back is not None:
            waiting.rolled_back()


def _around(transaction: SessionTransaction | None) -> Iterator[SessionTransaction]:
    while transaction is not None:
        yield transaction
        transaction = transaction.parent
