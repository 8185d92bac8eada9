# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Uploads and downloads files of a repository, straight to and from its S3 store.

Names are imported when they are first used, so that a command's help does not wait for the HTTP library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oarepo_s3_client.api import (
        Cancel,
        Check,
        Downloaded,
        FileInfo,
        Options,
        Report,
        TransferInfo,
        Uploaded,
        UploadItem,
        UploadStatus,
        Verification,
    )
    from oarepo_s3_client.async_client import AsyncClient
    from oarepo_s3_client.client import Client
    from oarepo_s3_client.errors import ClientError
    from oarepo_s3_client.events import Event

_MODULES = {
    "AsyncClient": "async_client",
    "Cancel": "api",
    "Check": "api",
    "Client": "client",
    "ClientError": "errors",
    "Downloaded": "api",
    "Event": "events",
    "FileInfo": "api",
    "Options": "api",
    "Report": "api",
    "TransferInfo": "api",
    "UploadItem": "api",
    "UploadStatus": "api",
    "Uploaded": "api",
    "Verification": "api",
}

__all__ = [
    "AsyncClient",
    "Cancel",
    "Check",
    "Client",
    "ClientError",
    "Downloaded",
    "Event",
    "FileInfo",
    "Options",
    "Report",
    "TransferInfo",
    "UploadItem",
    "UploadStatus",
    "Uploaded",
    "Verification",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
