# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Big files straight from the depositor to the S3 store of an Invenio repository."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import MultipartUpload
    from .ext import OARepoS3
    from .store.client import S3Client

__version__ = "2.0.0"
__all__ = ("MultipartUpload", "OARepoS3", "S3Client", "__version__")

_ROOMS = {"MultipartUpload": "oarepo_s3.api", "OARepoS3": "oarepo_s3.ext", "S3Client": "oarepo_s3.store.client"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that importing a part of the package does not bring Flask and boto3."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ROOMS[name]), name)
