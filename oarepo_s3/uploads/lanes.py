# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What requests about several files have in common: calls side by side, and failures that concern one file only."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from invenio_db import db

from ..errors import OARepoS3Error

logger = logging.getLogger(__name__)

LANES = 8
"""Calls to the store that one request makes at a time."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_parallel(ask: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """The answers in the order of the items.

    :param ask: must touch no database: it runs in a thread of its own where there are several items.
    """
    if len(items) < 2:
        return [ask(item) for item in items]
    with ThreadPoolExecutor(min(LANES, len(items))) as lanes:
        return list(lanes.map(ask, items))


def alone(act: Callable[[], Answer]) -> Answer | OARepoS3Error:
    """What becomes of one file of a batch, which never holds up the others."""
    try:
        return act()
    except OARepoS3Error as error:
        return error
    except Exception:  # logged; to the client it is a failure of the server with this file
        db.session.rollback()
        logger.exception("one file of a batch has failed")
        return OARepoS3Error("The server could not do it.")
