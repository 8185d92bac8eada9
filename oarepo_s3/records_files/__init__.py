# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""REST for files of records of invenio-records-files and invenio-records-rest."""
