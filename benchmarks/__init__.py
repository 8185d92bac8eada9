# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Benchmarks: one module a question; ``python -m benchmarks`` lists them."""
