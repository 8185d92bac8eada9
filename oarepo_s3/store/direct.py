# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""First attempts past botocore's machinery, for the calls that a sweep or a batch makes by the thousand.

For each call botocore evaluates the rules of endpoints and emits a dozen events, which costs more CPU time than sending
the request. Here the request is only signed, and sent by the HTTP session of botocore's client, with its time-outs,
certificates, proxies and connections. An answer that is not plain is handed to botocore as that of its own first
attempt, so that retries, parsing and errors are botocore's as ever.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.exceptions import ClientError, HTTPClientError

from oarepo_s3.errors import ConfigurationError
from oarepo_s3.store.connection import is_aws
from oarepo_s3.store.endpoint import AddressingStyle, Endpoint
from oarepo_s3.store.faults import Operation
from oarepo_s3.store.sigv4 import Credentials, SigningKeys, authorization

_GONE = re.compile(rb"<Code>(NoSuchUpload|NoSuchKey)</Code>")


class DirectCalls:
    """Makes the first attempt at calls about one upload or object. Threads may share an instance.

    :param client: botocore's client of S3, which goes on with what is not plain.
    :param region: the region to sign for.
    :param credentials: asked for each request, as they may be renewed at any time.
    """

    def __init__(self, client: Any, region: str, credentials: Callable[[], Credentials]) -> None:
        self._endpoint = _endpoint_of(client)
        self._http = client._endpoint.http_session  # botocore has no public name for it
        self._user_agent: str = client.meta.config.user_agent
        self._keys = SigningKeys(region)
        self._credentials = credentials
        self._unclear = threading.local()
        client.meta.events.register("before-send.s3", self._hand_over)

    @contextmanager
    def attempt(self, operation: Operation, method: str, target: dict[str, str]) -> Iterator[AWSResponse | None]:
        """Give the answer if it is plain and has no body; if there is none, make the call by botocore inside the block.

        :param target: ``Bucket``, ``Key`` and, if it is about one, ``UploadId`` as for botocore, which checks them.
        :raises ClientError: the store knows no such upload or object.
        """
        outcome = self._send(method, target)
        if isinstance(outcome, AWSResponse) and outcome.status_code == 404 and (code := _gone(method, outcome)):
            metadata = {"HTTPStatusCode": 404, "HTTPHeaders": {}}
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, operation.name)
        self._unclear.outcome = outcome
        try:
            yield outcome if isinstance(outcome, AWSResponse) and _is_plain(method, outcome) else None
        finally:
            self._unclear.outcome = None

    def _send(self, method: str, target: dict[str, str]) -> AWSResponse | HTTPClientError | None:
        """The answer, or why there is none; None if botocore has to make all attempts."""
        if self._endpoint is None or not all(target.values()):
            return None
        location = self._endpoint.locate(target["Bucket"], target["Key"])
        query = f"uploadId={quote(target['UploadId'], safe='')}" if "UploadId" in target else ""
        signed = authorization(self._credentials(), self._keys, datetime.now(UTC), method, location, query)
        headers = HeadersDict(signed | {"User-Agent": self._user_agent})
        url = f"{location.base}{location.path}{'?' if query else ''}{query}"
        request = AWSPreparedRequest(method, url, headers, None, False)
        try:
            return self._http.send(request)
        except HTTPClientError as error:
            return error

    def _hand_over(self, **_: Any) -> AWSResponse | None:
        """Answer botocore's first attempt, which was made here; a handler of its event ``before-send``."""
        outcome = getattr(self._unclear, "outcome", None)
        self._unclear.outcome = None
        if isinstance(outcome, HTTPClientError):
            raise outcome
        return outcome


def _gone(method: str, answer: AWSResponse) -> str | None:
    """The code of what is not there; an answer to HEAD has none, so botocore takes the status."""
    if method == "HEAD":
        return "404"
    found = _GONE.search(answer.content)
    return found[1].decode() if found else None


def _is_plain(method: str, answer: AWSResponse) -> bool:
    """Whether it says all that there is to know; that to HEAD has to tell the size."""
    if method == "HEAD":
        return answer.status_code == 200 and "Content-Length" in answer.headers
    return bool(answer.status_code == 204)


def _endpoint_of(client: Any) -> Endpoint | None:
    """Where the requests go, unless only botocore's rules of endpoints know: for AWS, and options beyond the style."""
    url, options = client.meta.endpoint_url, client.meta.config.s3
    style = options["addressing_style"]
    if is_aws(url) or set(options) != {"addressing_style"} or style not in set(AddressingStyle):
        return None
    try:
        return Endpoint(url, AddressingStyle(style))
    except ConfigurationError:  # with a prefix that only botocore takes
        return None
