# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The storage of files in S3: invenio-s3's, with direct multipart uploads."""

import hashlib
import uuid
from functools import partial
from typing import Any, BinaryIO, cast

from flask import Response, current_app
from invenio_files_rest.errors import StorageError
from invenio_files_rest.models import FileInstance, ObjectVersion
from invenio_files_rest.storage import pyfs_storage_factory
from invenio_s3.helpers import redirect_stream
from invenio_s3.storage import S3FSFileStorage
from sqlalchemy import inspect

from .api import MultipartUpload
from .errors import OARepoS3Error
from .proxies import current_s3, current_store, current_uploads
from .storage_hooks import MultipartHooks
from .store.client import allow_any_bucket_name
from .uploads.opening import OpenRequest

Saved = tuple[str, int, str | None] | tuple[str, int, str | None, bool, bool]


class S3FileStorage(MultipartHooks, S3FSFileStorage):
    """A file in S3. ``fileurl`` is ``s3://bucket/key``; ``file`` the row that it is the storage of, where known."""

    def __init__(self, fileurl: str, file: FileInstance | None = None, **kwargs: Any) -> None:
        """Keep the file; the rest is the parent's."""
        super().__init__(fileurl, **kwargs)
        self._file = file

    # writing ----------------------------------------------------------------------------------------------------------

    def save(self, incoming_stream: BinaryIO | MultipartUpload, *args: Any, **kwargs: Any) -> Saved:
        """Save a stream, or open a multipart upload if that is what is given.

        :returns: what :meth:`invenio_files_rest.models.FileInstance.set_uri` takes: URI, size, checksum, and for an
            upload also readable=False, writable=True.
        :raises OARepoS3Error: the upload could not be opened.
        """
        if not isinstance(incoming_stream, MultipartUpload):
            return cast(Saved, super().save(incoming_stream, *args, **kwargs))
        mu = incoming_stream
        version = self._version()
        upload = current_uploads.open_inside(_request(mu, version), version, self._pending_file(), self.fileurl)
        mu.session = current_uploads.session(upload)
        self._size = upload.size
        return self.fileurl, upload.size, None, False, True

    def copy(self, src: S3FSFileStorage, *args: Any, **kwargs: Any) -> Saved:
        """Copy another file, within the store where that is possible.

        :returns: URI, size and checksum; those of the source, which the parent leaves out although a copy has the same.
        """
        if not isinstance(src, S3FileStorage) or not src.fileurl.startswith("s3://"):
            return cast(Saved, super().copy(src, *args, **kwargs))
        fs, path = self._get_fs()
        fs.copy(src._get_fs()[1], path)
        return self.fileurl, src._size, src._file.checksum if src._file is not None else None

    def delete(self) -> bool:
        """Delete the file; where its upload has not ended, abort that."""
        file_id = self._file_id()
        if file_id is not None and current_uploads.abort_file(file_id, "file deleted"):
            return True
        return bool(super().delete())

    # reading ----------------------------------------------------------------------------------------------------------

    def checksum(self, chunk_size: int | None = None, progress_callback: Any = None, **kwargs: Any) -> str:
        """Compute the checksum in the algorithm of the one that is stored, so that the two can be compared.

        ``multipart:<etag>-<part size>``: the file is read in parts of that size. ``etag:<etag>``: the store is asked.
        Anything else: MD5 of the whole file.
        """
        stored = (self._file.checksum if self._file is not None else None) or ""
        algorithm, _, value = stored.partition(":")
        if algorithm == "etag":
            return f"etag:{self._etag()}"
        if algorithm == "multipart":
            part_size = int(value.rpartition("-")[2])
            return f"multipart:{self._composite_etag(part_size, progress_callback)}-{part_size}"
        return str(super().checksum(chunk_size=chunk_size, progress_callback=progress_callback, **kwargs))

    def _etag(self) -> str:
        found = current_store.head_object(*self._location())
        if found is None:
            raise StorageError(description="The store does not have the file.")
        return found.etag

    def _composite_etag(self, part_size: int, progress_callback: Any) -> str:
        digests, done = [], 0
        with self.open(mode="rb") as stream:
            while part := self._md5_of(stream, part_size):
                digest, length = part
                digests.append(digest)
                done += length
                if progress_callback:
                    progress_callback(self._size, done)
        return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"

    @staticmethod
    def _md5_of(stream: BinaryIO, part_size: int) -> tuple[bytes, int] | None:
        """MD5 and length of the next part, read a little at a time as a part may have gigabytes."""
        digest, left = hashlib.md5(usedforsecurity=False), part_size
        while left and (chunk := stream.read(min(left, 2**20))):
            digest.update(chunk)
            left -= len(chunk)
        return None if left == part_size else (digest.digest(), part_size - left)

    def send_file(
        self,
        filename: str,
        mimetype: str | None = None,
        restricted: bool = True,
        checksum: str | None = None,
        trusted: bool = False,
        chunk_size: int | None = None,
        as_attachment: bool = False,
    ) -> Response:
        """Redirect to the store, by a URL that is signed for the endpoint that clients see."""
        try:
            response = redirect_stream(
                self._signed_url, filename, mimetype=mimetype, restricted=restricted, trusted=trusted,
                as_attachment=as_attachment,
            )  # fmt: skip
        except OARepoS3Error as error:
            raise StorageError(description=f"The file cannot be sent: {error.message}") from error
        response.set_data(b"")  # the parent writes the signed URL into the body, where a cache or a log may keep it
        return cast(Response, response)

    def _signed_url(self, ResponseContentType: str, ResponseContentDisposition: str) -> str:  # noqa: N803 - S3's names
        s3_bucket, key = self._location()
        signed = current_s3.presigner.get_object(
            s3_bucket=current_s3.wire_bucket(s3_bucket),
            key=key,
            expires_in=current_app.config["S3_URL_EXPIRATION"],
            response_content_type=ResponseContentType,
            response_content_disposition=ResponseContentDisposition,
        )
        return signed.url

    # where it is ------------------------------------------------------------------------------------------------------

    def _location(self) -> tuple[str, str]:
        s3_bucket, _, key = self.fileurl.removeprefix("s3://").partition("/")
        return s3_bucket, key

    def _file_id(self) -> uuid.UUID | None:
        """Id of the row, also of one that was just deleted: Invenio deletes the row first, then the file."""
        if self._file is None:
            return None
        identity = inspect(self._file).identity
        return cast(uuid.UUID, identity[0] if identity else self._file.id)

    def _get_fs(self, *args: Any, **kwargs: Any) -> tuple[Any, str]:
        """The parent's file system, and the path with the tenant in it."""
        fs, path = super()._get_fs(*args, **kwargs)
        if not self.fileurl.startswith("s3://") or not current_app.config["S3_TENANT"]:
            return fs, path
        fs.connect()
        allow_any_bucket_name(fs.s3.meta.events)
        s3_bucket, key = self._location()
        return fs, f"s3://{current_s3.wire_bucket(s3_bucket)}/{key}"


def _request(mu: MultipartUpload, version: ObjectVersion) -> OpenRequest:
    return OpenRequest(
        bucket_id=version.bucket_id,
        key=version.key,
        size=mu.size,
        part_size=mu.part_size,
        content_type=mu.content_type,
        fingerprint=mu.fingerprint,
        expires=mu.expires,
        complete_url=mu.complete_url,
        abort_url=mu.abort_url,
    )


def s3_storage_factory(fileinstance: FileInstance | None = None, **kwargs: Any) -> S3FileStorage:
    """Factory for ``FILES_REST_STORAGE_FACTORY``."""
    storage_class = kwargs.pop("filestorage_class", S3FileStorage)
    storage: S3FileStorage = pyfs_storage_factory(
        fileinstance=fileinstance, filestorage_class=partial(storage_class, file=fileinstance), **kwargs
    )
    return storage
