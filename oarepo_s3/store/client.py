# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The store behind boto3: the few calls that an upload needs, made so that all S3 stores answer them alike."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from oarepo_s3.errors import ConfigurationError, StorePartsRefused, StoreRefused, StoreUnknownOutcome, StoreUploadGone
from oarepo_s3.store import faults
from oarepo_s3.store.connection import Connection, allow_any_bucket_name
from oarepo_s3.store.contract import CreatedUpload, ListedUpload, StoredObject, StoredPart
from oarepo_s3.store.direct import DirectCalls
from oarepo_s3.store.presign import Credentials

__all__ = ("S3Client", "allow_any_bucket_name")

STAMP = "oarepo-upload"
"""Name of the user metadata that holds our own id of the upload."""

MAX_PAGES = 10_000
"""Pages of a listing that are read at most: as many as an upload may have parts, should a store list them singly."""


class S3Client:
    """The calls of :class:`~oarepo_s3.store.contract.Store`, and what a signer of URLs has to know.

    Threads may share an instance, processes may not: build a new one after a fork. Requests are signed with Signature
    Version 4 only, in path style unless ``config_kwargs`` says otherwise.

    :param access_key: key id; without keys those of the environment, the AWS configuration or the machine's role are
        used, and renewed in time.
    :param secret_key: the secret that belongs to it.
    :param client_kwargs: ``endpoint_url``, ``region_name`` (default: of the environment, or us-east-1), ``verify``
        (path of a bundle of CA certificates, or False), ``use_ssl``, ``api_version``, ``aws_session_token``.
    :param config_kwargs: arguments of ``botocore.client.Config``. Time-outs for reading, retries and the number of
        connections are not taken from here. Checksums are ``when_required`` unless set here, or the store is AWS.
    :param tenant: tenant that owns the buckets (Ceph RGW), see :meth:`wire_bucket`.
    :param timeout: seconds to wait for an answer.
    :param complete_timeout: seconds to wait for an answer to CompleteMultipartUpload.
    :param attempts: how often a call is tried in all; CompleteMultipartUpload once only, for a second attempt would
        hide the outcome of the first.
    :param max_connections: connections to the store that are kept at most, for completions and for the rest each.
    :raises ConfigurationError: a setting that cannot work.
    """

    def __init__(
        self,
        access_key: str | None = None,
        secret_key: str | None = None,
        client_kwargs: Mapping[str, Any] | None = None,
        config_kwargs: Mapping[str, Any] | None = None,
        tenant: str | None = None,
        *,
        timeout: float = 30,
        complete_timeout: float = 300,
        attempts: int = 5,
        max_connections: int = 16,
    ) -> None:
        _check_positive(timeout, complete_timeout, attempts, max_connections)
        self._tenant = tenant
        self._connection = Connection(access_key, secret_key, client_kwargs or {}, config_kwargs or {})
        self._watch = faults.AttemptWatch()
        self._client = self._build(timeout, attempts, max_connections)
        self._complete_client = self._build(complete_timeout, 1, max_connections)
        self._direct = DirectCalls(self._client, self.region, self._connection.credentials)

    def _build(self, read_timeout: float, attempts: int, max_connections: int) -> Any:
        client = self._connection.client(read_timeout=read_timeout, attempts=attempts, max_connections=max_connections)
        client.meta.events.register("needs-retry.s3", self._watch.observe)
        if self._tenant:
            allow_any_bucket_name(client.meta.events)
        return client

    def __repr__(self) -> str:
        # The endpoint without what may stand before the host: a name and a password.
        return f"<{type(self).__name__} {urlsplit(self.endpoint_url).hostname} {self.region}>"

    @property
    def endpoint_url(self) -> str:
        """The endpoint that the calls go to."""
        url: str = self._client.meta.endpoint_url
        return url

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return self._connection.region

    def credentials(self) -> Credentials:
        """The credentials of this moment, for signing URLs.

        :raises StoreRefused: there are none.
        """
        with self._watch.call(faults.CREDENTIALS):
            return self._connection.credentials()

    def wire_bucket(self, s3_bucket: str) -> str:
        """The name that the bucket has in requests: ``tenant:bucket``, or just the bucket without a tenant."""
        return f"{self._tenant}:{s3_bucket}" if self._tenant else s3_bucket

    def create_upload(self, s3_bucket: str, key: str, *, content_type: str, stamp: str) -> CreatedUpload:
        """Open a multipart upload. No ACL is sent, so that the bucket's policy alone decides who may read."""
        with self._watch.call(faults.CREATE):
            answer = self._client.create_multipart_upload(
                Bucket=self.wire_bucket(s3_bucket), Key=key, ContentType=content_type, Metadata={STAMP: stamp}
            )
        upload_id = answer.get("UploadId")
        if not upload_id:
            raise StoreUnknownOutcome("CreateMultipartUpload: the answer of the store names no upload")
        return CreatedUpload(upload_id, retried=answer["ResponseMetadata"].get("RetryAttempts", 0) > 0)

    def list_parts(self, s3_bucket: str, key: str, upload_id: str) -> list[StoredPart]:
        """Every part that has arrived, by number, each once, however the store cuts the list into pages.

        Swift goes on to list the parts of a completed upload.

        :raises StoreUploadGone: the store knows no such upload.
        :raises StoreRefused: the store promises more parts again and again without listing one.
        """
        target = {"Bucket": self.wire_bucket(s3_bucket), "Key": key, "UploadId": upload_id}
        parts: dict[int, StoredPart] = {}
        marker = 0
        for _ in range(MAX_PAGES):
            page = self._page_of_parts(target, marker)
            listed = [_stored_part(part) for part in page.get("Parts", ())]
            parts |= {part.number: part for part in listed}
            # The highest number so far is where to go on. The store's own marker may be missing, or stand still.
            previous, marker = marker, max(parts, default=0)
            if not page.get("IsTruncated") or not listed:
                return [parts[number] for number in sorted(parts)]
            if marker == previous:
                break
        raise StoreRefused("ListParts: the list of the store has no end")

    def _page_of_parts(self, target: dict[str, str], marker: int) -> Mapping[str, Any]:
        with self._watch.call(faults.LIST_PARTS):
            page: Mapping[str, Any]
            if marker:
                page = self._client.list_parts(**target, PartNumberMarker=marker)
            else:
                with self._direct.attempt(faults.LIST_PARTS, "GET", target):
                    page = self._client.list_parts(**target)
        return page

    def complete_upload(self, s3_bucket: str, key: str, upload_id: str, parts: Sequence[StoredPart]) -> None:
        """Join the parts, in one attempt.

        botocore turns an error that comes with status 200 into an exception. The answer itself is not looked at: its
        ETag is empty on Ceph and not that of HEAD on rclone.

        :raises StorePartsRefused: the store refuses the list of parts, or it is empty or not in ascending order.
        :raises StoreUploadGone: the store knows no such upload; also one completed before on MinIO and rclone, while
            AWS, Ceph and Swift answer the second call as they did the first.
        :raises StoreUnknownOutcome: no answer, or one that leaves the outcome open. So answers Ceph for an upload that
            is unknown (500 InternalError).
        """
        numbers = [part.number for part in parts]
        if not numbers or sorted(set(numbers)) != numbers:
            # AWS and Swift refuse both. Others drop the upload, bring the parts into order, or take them as they come.
            raise StorePartsRefused("CompleteMultipartUpload: the parts have to be in ascending order, at least one")
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with self._watch.call(faults.COMPLETE):
            self._complete_client.complete_multipart_upload(
                Bucket=self.wire_bucket(s3_bucket), Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )

    def abort_upload(self, s3_bucket: str, key: str, upload_id: str) -> None:
        """Drop the upload and its parts; an upload that is gone already is success."""
        target = {"Bucket": self.wire_bucket(s3_bucket), "Key": key, "UploadId": upload_id}
        try:
            with self._watch.call(faults.ABORT), self._direct.attempt(faults.ABORT, "DELETE", target) as done:
                if not done:
                    self._client.abort_multipart_upload(**target)
        except StoreUploadGone:
            return

    def head_object(self, s3_bucket: str, key: str) -> StoredObject | None:
        """The object under the key, or None; also when there is no such bucket, which an answer to HEAD cannot tell."""
        target = {"Bucket": self.wire_bucket(s3_bucket), "Key": key}
        with self._watch.call(faults.HEAD):
            try:
                with self._direct.attempt(faults.HEAD, "HEAD", target) as answer:
                    headers = answer.headers if answer else _headers_of(self._client.head_object(**target))
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return None
                raise
        # Header names know no case, and Swift sends Oarepo-Upload.
        told = {name.lower(): value for name, value in headers.items()}
        size, etag = int(told["content-length"]), _unquoted(told.get("etag"))
        return StoredObject(size, etag, told.get(f"x-amz-meta-{STAMP}"), told.get("content-type"))

    def delete_object(self, s3_bucket: str, key: str) -> None:
        """Delete the object; one that is gone already is success."""
        with self._watch.call(faults.DELETE):
            try:
                self._client.delete_object(Bucket=self.wire_bucket(s3_bucket), Key=key)
            except ClientError as error:
                # Google Cloud Storage; the others answer success.
                if error.response["Error"]["Code"] != "NoSuchKey":
                    raise

    def list_uploads(self, s3_bucket: str, prefix: str = "") -> Iterator[ListedUpload]:
        """The uploads that are open under the prefix, page by page; MinIO wants a whole key for the prefix.

        :raises StoreRefused: a page does not lead on, or there are more than ``MAX_PAGES``.
        """
        marker: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            with self._watch.call(faults.LIST_UPLOADS):
                page = self._page_of_uploads(Bucket=self.wire_bucket(s3_bucket), Prefix=prefix, **marker)
            uploads = page.get("Uploads", ())
            for upload in uploads:
                yield ListedUpload(upload["Key"], upload["UploadId"], upload.get("Initiated"))
            if not page.get("IsTruncated") or not uploads:
                return
            previous, marker = marker, _next_marker(page)
            if marker == previous:
                break
        raise StoreRefused("ListMultipartUploads: the list of the store has no end")

    def _page_of_uploads(self, **arguments: Any) -> Mapping[str, Any]:
        try:
            page: Mapping[str, Any] = self._client.list_multipart_uploads(**arguments)
        except ClientError as error:
            # rclone, of a bucket that has had no upload since the server was started.
            if error.response["Error"]["Code"] != "NoSuchUpload":
                raise
            return {}
        return page


def _stored_part(part: Mapping[str, Any]) -> StoredPart:
    return StoredPart(part["PartNumber"], part["Size"], _unquoted(part.get("ETag")), part.get("LastModified"))


def _headers_of(answer: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers


def _unquoted(etag: str | None) -> str:
    # A proxy that compresses answers makes the ETag a weak one.
    return (etag or "").removeprefix("W/").strip('"')


def _next_marker(page: Mapping[str, Any]) -> dict[str, str]:
    last = page["Uploads"][-1]
    return {
        "KeyMarker": page.get("NextKeyMarker") or last["Key"],
        "UploadIdMarker": page.get("NextUploadIdMarker") or last["UploadId"],
    }


def _check_positive(timeout: float, complete_timeout: float, attempts: int, max_connections: int) -> None:
    settings = {
        "S3_MULTIPART_STORE_TIMEOUT": timeout,
        "S3_MULTIPART_COMPLETE_TIMEOUT": complete_timeout,
        "S3_MULTIPART_STORE_ATTEMPTS": attempts,
        "S3_MULTIPART_STORE_CONNECTIONS": max_connections,
    }
    for setting, value in settings.items():
        if not value > 0:
            raise ConfigurationError(setting, "has to be positive.")
