# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The command line ``oarepo-s3``."""

from oarepo_s3_client.cli.main import cli, main

__all__ = ["cli", "main"]
