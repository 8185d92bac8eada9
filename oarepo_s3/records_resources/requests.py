# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What the initialisation of a file asks for."""

import re
from collections.abc import Mapping
from typing import Any

from flask import g

from ..errors import BadRequest, InvalidKey, InvalidSize
from ..proxies import current_uploads
from ..uploads.integrity import comparable
from ..uploads.opening import OpenRequest
from ..uploads.plan import make_plan
from .owner import OWNER

_EMPTY_SEGMENT = re.compile("//|/$")


def request_of(service: Any, record: Any, file_metadata: Mapping[str, Any]) -> OpenRequest:
    """The upload that the metadata of a new file asks for.

    :raises BadRequest: the record takes no files.
    :raises InvalidKey: no URL can carry the key.
    :raises InvalidSize: there is no size.
    :raises InvalidPlan: parts and part size do not go together, or not with the size.
    :raises InvalidChecksum: the checksum has no form that can be compared with what the store has.
    """
    if not record.files.enabled:
        raise BadRequest("Files are not enabled.")
    key, size, transfer = file_metadata["key"], file_metadata.get("size"), file_metadata["transfer"]
    if _EMPTY_SEGMENT.search(key):
        raise InvalidKey("The file key has an empty segment, which no URL can carry.")
    if size is None:
        raise InvalidSize("A file in parts needs its size in bytes.")
    checksum = _checksum(file_metadata, size)
    return OpenRequest(
        record.files.bucket.id,
        key,
        size,
        part_size=transfer.get("part_size"),
        parts_count=transfer.get("parts"),
        fingerprint=checksum,
        checksum=checksum,
        owner=OWNER,
        owner_data=_owner_data(service, record),
        actor=actor(),
    )


def _checksum(file_metadata: Mapping[str, Any], size: int) -> str | None:
    declared, transfer = file_metadata.get("checksum"), file_metadata["transfer"]
    if declared is None:
        return None
    context = current_uploads.context
    plan = make_plan(size, context.limits, part_size=transfer.get("part_size"), parts_count=transfer.get("parts"))
    return comparable(declared, plan, opaque=context.rules.opaque_etags)


def _owner_data(service: Any, record: Any) -> dict[str, Any]:
    return {
        "service": service.id,
        "record": record.pid.pid_value,
        "field": type(record).files.key,
        "table": record.files.file_cls.model_cls.__tablename__,
    }


def actor() -> str | None:
    """Id of who asks, for the log of events."""
    identity = getattr(g, "identity", None)
    return None if identity is None or identity.id is None else str(identity.id)
