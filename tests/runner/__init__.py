# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Runs the tiers of the test suite one after the other and counts; ``run-tests.sh`` starts it."""
