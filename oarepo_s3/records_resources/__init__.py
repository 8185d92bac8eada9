# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""InvenioRDM: the multipart transfer of invenio-records-resources, its links, and routes beside the stock ones."""

TRANSFERS = [
    "oarepo_s3.records_resources.transfer.LocalTransfer",
    "invenio_records_resources.services.files.transfer.FetchTransfer",
    "invenio_records_resources.services.files.transfer.RemoteTransfer",
    "oarepo_s3.records_resources.transfer.MultipartTransfer",
]
"""Value for ``RECORDS_RESOURCES_TRANSFERS``: the stock list, with our multipart transfer in place of the stock one.

Our local transfer takes the place of the stock one, too, so that a commit may be repeated at any time."""
