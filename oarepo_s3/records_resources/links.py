# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Links of a pending file."""

from typing import Any

from flask import current_app, has_request_context, request

from ..errors import Conflict, Gone, InvalidExpiry, UploadNotFound
from ..proxies import current_uploads
from ..uploads.models import Upload

SERVICES_SETTING = "S3_MULTIPART_RDM_SERVICES"
LIMIT_SETTING = "S3_MULTIPART_RDM_LINKS_LIMIT"

_MARK = "_opened_upload"


def mark_opened(file_record: Any, upload: Upload) -> None:
    """Remember that the answer is about this file, which has just been opened."""
    setattr(file_record, _MARK, upload)


def links_of(service: Any, record: Any, file_record: Any, identity: Any, self_url: str) -> dict[str, Any]:
    """``multipart``, ``sign`` and, in an answer about this file, ``parts``; no ``content`` as long as it is pending.

    Who may not set the content gets none of them, and no URL is made for them.
    """
    links: dict[str, Any] = {"content": None}
    if not service.check_permission(identity, "set_content_files", record=record, file_key=file_record.key):
        return links
    if service.id in current_app.config[SERVICES_SETTING]:
        links |= {"multipart": f"{self_url}/multipart", "sign": f"{self_url}/multipart/sign"}
    if _is_about(file_record):
        links |= _parts(file_record)
    return links


def _is_about(file_record: Any) -> bool:
    """Whether the answer is about this one file; neither a list nor about another file of the record."""
    if not has_request_context() or hasattr(file_record, _MARK):
        return True
    return bool((request.view_args or {}).get("key") == file_record.key)


def _parts(file_record: Any) -> dict[str, Any]:
    """URLs to put parts to, unless the upload takes none now."""
    try:
        upload = getattr(file_record, _MARK, None) or current_uploads.of_file(file_record.object_version.file_id)
        urls, expires_at = current_uploads.urls(upload, current_app.config[LIMIT_SETTING])
    except (UploadNotFound, Conflict, Gone, InvalidExpiry):
        return {}
    expiration = expires_at.isoformat()
    return {"parts": [{"part": number, "url": url, "expiration": expiration} for number, url in urls.items()]}
