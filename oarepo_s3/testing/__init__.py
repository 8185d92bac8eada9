# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""For the tests of those who use the package: a store in memory that can be made to fail at any call."""

from oarepo_s3.testing.fake_store import Blank, FakeStore, OpenUpload
from oarepo_s3.testing.interference import Call

__all__ = ("Blank", "Call", "FakeStore", "OpenUpload")
