# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The life of a multipart upload: its plan, its states, its rows, and what is done with them."""
