# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What these pages generate from the code, so that the two cannot drift apart."""
