# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The ``multipart_*`` hooks that the stock transfer of invenio-records-resources calls on a storage.

They run in the caller's unit of work. Which promises that transfer cannot keep, as it makes the file readable at once
and shows part URLs to whoever may read, is told in the docs; a transfer of our own replaces it.
"""

import uuid
from typing import Any, BinaryIO

from invenio_files_rest.models import FileInstance, ObjectVersion

from .errors import BadRequest
from .proxies import current_uploads
from .uploads.opening import OpenRequest


class MultipartHooks:
    """Mixed into the storage; needs ``fileurl`` and ``_file``."""

    fileurl: str
    _file: FileInstance | None

    def multipart_initialize_upload(self, parts: int, size: int, part_size: int | None) -> dict[str, Any]:
        """Open an upload for the pending version of the file.

        :param parts: number of parts; ``size`` and ``part_size`` in bytes.
        :returns: ``{"uploadId", "parts", "part_size", "size"}``, which the transfer keeps until the commit.
        :raises OARepoS3Error: the upload could not be opened.
        """
        version = self._version()
        request = OpenRequest(version.bucket_id, version.key, size, part_size=part_size, parts_count=parts)
        upload = current_uploads.open_inside(request, version, self._pending_file(), self.fileurl)
        version.bucket.size += size  # the stock transfer takes it off when it deletes the file, but never adds it
        return {
            "uploadId": upload.public_id,
            "parts": upload.parts_count,
            "part_size": upload.part_size,
            "size": upload.size,
        }

    def multipart_set_content(self, part: int, stream: BinaryIO, content_length: int, **metadata: Any) -> None:
        """Refuse it: parts go to the store.

        :raises BadRequest: always.
        """
        raise BadRequest("Parts of this upload go straight to the store, by the URLs in its links.")

    def multipart_links(self, **metadata: Any) -> dict[str, Any]:
        """``{"parts": [{"part", "url", "expiration"}]}``, a URL for each part."""
        upload = current_uploads.of_file(self._file_key())
        signed = current_uploads.sign(upload, range(1, upload.parts_count + 1))
        return {
            "parts": [
                {"part": part.number, "url": part.url, "expiration": part.expires_at.isoformat()} for part in signed
            ]
        }

    def multipart_commit_upload(self, **metadata: Any) -> str | None:
        """Complete the upload.

        :returns: the ETag of the object.
        :raises OARepoS3Error: parts are missing, or the store could not do it.
        """
        return current_uploads.complete_inside(self._file_key()).etag

    def multipart_abort_upload(self, **metadata: Any) -> None:
        """Abort the upload once the caller has committed."""
        current_uploads.abort_inside(self._file_key())

    def _pending_file(self) -> FileInstance:
        if self._file is None or not self._file.objects:
            raise BadRequest("A multipart upload needs a file version to belong to.")
        return self._file

    def _version(self) -> ObjectVersion:
        return self._pending_file().objects[0]

    def _file_key(self) -> uuid.UUID:
        file_id: uuid.UUID = self._pending_file().id
        return file_id
