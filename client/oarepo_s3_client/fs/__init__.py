# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The files of a record as an fsspec filesystem: for pandas, xarray, zarr and whatever else reads through fsspec.

Needs the extra ``fsspec``; nothing else of the client imports this.
"""

try:
    import fsspec  # noqa: F401 - to say what is missing
except ModuleNotFoundError as error:
    if error.name != "fsspec":
        raise
    raise ImportError("The filesystem needs fsspec: pip install 'oarepo-s3-client[fsspec]'.", name="fsspec") from error

from oarepo_s3_client.fs.files import RecordFile
from oarepo_s3_client.fs.filesystem import RecordFileSystem

__all__ = ["RecordFile", "RecordFileSystem"]
