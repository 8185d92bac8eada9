# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What the faces that speak HTTP have in common: bodies, fields, lists of parts, errors."""
