# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Sizes as people read them."""

import math

UNITS = ("KiB", "MiB", "GiB", "TiB")


def format_bytes(count: float) -> str:
    """Return a number of bytes with a unit, such as ``64.0 MiB``."""
    if count < 1024:
        return f"{count:.0f} B"
    power = min(int(math.log(count, 1024)), len(UNITS))
    return f"{count / 1024**power:,.1f} {UNITS[power - 1]}"
