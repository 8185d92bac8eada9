# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What the repositories speak. No I/O: an operation yields requests and is sent the answers."""
