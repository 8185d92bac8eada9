# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The multipart transfer in a repository of drafts, as InvenioRDM puts one together, over real HTTP."""
