# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The limit to the number of a draft's files, for inits that are repeated."""

from typing import Any

from invenio_records_resources.proxies import current_transfer_registry
from invenio_records_resources.services.files.components import FileMetadataComponent as StockMetadataComponent


class FileMetadataComponent(StockMetadataComponent):
    """In place of the stock component, which counts a file again when its init is repeated.

    It refuses that in a draft that has as many files as it may, so that whoever has lost the answer to the last init
    cannot ask for it again.
    """

    def init_files(self, identity: Any, id_: str, record: Any, data: list[dict[str, Any]]) -> None:
        """Begin the files; only those that the draft does not have yet count."""
        listed = record.files.entries
        repeated = [entry for entry in data if entry["key"] in listed]
        super().init_files(identity, id_, record, [entry for entry in data if entry["key"] not in listed])
        for entry in repeated:  # the transfer says whether it may be begun again
            transfer = current_transfer_registry.get_transfer(
                record=record,
                file_service=self.service,
                key=entry["key"],
                transfer_type=entry["transfer"]["type"],
                uow=self.uow,
            )
            self.service.file_upload.init(transfer, record, entry, self.uow)
