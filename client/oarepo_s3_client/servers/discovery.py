# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Which face answers at an address: asked once, by listing the record's files."""

from oarepo_s3_client.api import FileInfo
from oarepo_s3_client.errors import ServerTrouble, UsageError
from oarepo_s3_client.servers import draft_files, invenio_rdm
from oarepo_s3_client.servers.draft_files import DraftFiles
from oarepo_s3_client.servers.face import Face, Target
from oarepo_s3_client.servers.invenio_rdm import InvenioRDM
from oarepo_s3_client.servers.protocol import Asking, Operation, origin_of


def target_of(url: str) -> Target:
    """The record that the address names; ``/files`` and slashes at its end do not matter.

    Raises:
        UsageError: it is no web address.
    """
    try:
        scheme, host, _ = origin_of(url)
    except ValueError:
        scheme = host = ""
    if scheme not in ("http", "https") or not host:
        raise UsageError(
            "The target is no web address.", hint="It looks like https://host/api/records/<id>/draft, for instance."
        )
    if "?" in url or "#" in url:
        raise UsageError("The target has a ? or # in it.", hint="Give the address of the record alone.")
    return Target(url.rstrip("/").removesuffix("/files").rstrip("/"))


def discover(target: Target, asking: Asking) -> Operation[tuple[Face, list[FileInfo]]]:
    """The face, and the files that the record has.

    Raises:
        ServerTrouble: neither face answers there.
    """
    answer = yield from asking.ask("GET", target.files)
    document = answer.document()
    if isinstance(document, list):
        return DraftFiles(target, asking), draft_files.listed_files(document)
    if isinstance(document, dict) and ("entries" in document or "enabled" in document):
        return InvenioRDM(target, asking), invenio_rdm.listed_files(document)
    raise ServerTrouble(
        "There is no list of a record's files at this address.",
        code="no_face",
        hint="Give the address of a record's API, such as https://host/api/records/<id>/draft.",
    )
