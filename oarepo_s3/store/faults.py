# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The one mapping from what a call to the store ends with to the errors that the rest of the package knows.

There are three answers, and they differ in what was done at the store: *refused* (nothing, and the same call will fail
again), *retry later* (nothing, and the same call may succeed), *unknown outcome* (perhaps). Whatever is not known to
mean one of the first two is the third.
"""

import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from oarepo_s3.errors import (
    StoreError,
    StorePartsRefused,
    StoreRefused,
    StoreRetryLater,
    StoreUnknownOutcome,
    StoreUploadGone,
)

MAX_RETRY_AFTER = 3600
"""Longest ``Retry-After`` that is passed on, in seconds; a store that asks for more is asked again after an hour."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A call of the S3 API.

    ``changes``: it changes something at the store, so that a lost answer leaves its outcome open.
    ``of_upload``: it concerns an upload that has to exist.
    """

    name: str
    changes: bool = False
    of_upload: bool = False


CREATE = Operation("CreateMultipartUpload", changes=True)
LIST_PARTS = Operation("ListParts", of_upload=True)
COMPLETE = Operation("CompleteMultipartUpload", changes=True, of_upload=True)
ABORT = Operation("AbortMultipartUpload", changes=True, of_upload=True)
HEAD = Operation("HeadObject")
DELETE = Operation("DeleteObject", changes=True)
LIST_UPLOADS = Operation("ListMultipartUploads")
CREDENTIALS = Operation("Credentials")

# fmt: off
# Most refusals are told by their status alone. They are listed all the same, for an error may come in the body of an
# answer whose status was 200 (CompleteMultipartUpload), and botocore makes a 500 of that.
_REFUSED = (
    "AccessDenied", "AccountProblem", "AllAccessDisabled", "BadDigest", "EntityTooLarge", "EntityTooSmall",
    "ExpiredToken", "InvalidAccessKeyId", "InvalidArgument", "InvalidBucketName", "InvalidDigest", "InvalidPart",
    "InvalidPartOrder", "InvalidRequest", "InvalidSecurity", "InvalidToken", "KeyTooLongError", "MalformedXML",
    "MethodNotAllowed", "NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NotImplemented", "PreconditionFailed",
    "QuotaExceeded", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "UserSuspended",
)
# RequestTimeout is the store's complaint that the request did not arrive in time. The last three are MinIO's.
_RETRY_LATER = (
    "BandwidthLimitExceeded", "Busy", "ConditionalRequestConflict", "OperationAborted", "RequestLimitExceeded",
    "RequestThrottled", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException",
    "TooManyRequests", "SlowDownRead", "SlowDownWrite", "XMinioServerNotInitialized",
)
# fmt: on
_UNKNOWN = ("InternalError", "InternalFailure")

_BY_CODE: Mapping[str, type[StoreError]] = {
    **dict.fromkeys(_REFUSED, StoreRefused),
    **dict.fromkeys(_RETRY_LATER, StoreRetryLater),
    **dict.fromkeys(_UNKNOWN, StoreUnknownOutcome),
}

# Ceph RGW says NoSuchKey where AWS says NoSuchUpload. A bare 404 is not taken for it: that may be a proxy's, and an
# upload that is taken for gone is given up for good.
_OF_UPLOAD: Mapping[str, type[StoreError]] = {"NoSuchUpload": StoreUploadGone, "NoSuchKey": StoreUploadGone}

_OF_PARTS: Mapping[str, type[StoreError]] = dict.fromkeys(
    ("InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge", "MalformedXML"), StorePartsRefused
)

# 429 and 408 say by their definition that nothing was done. A 503 without a code of S3 is some proxy's, and so are 502
# and 504: whether it had passed the request on is not known.
_BY_STATUS: Mapping[int, type[StoreError]] = {
    408: StoreRetryLater,
    429: StoreRetryLater,
    501: StoreRefused,
    505: StoreRefused,
}

# The first match counts, so subclasses come before their bases. Whatever is sent only after a connection stands, and
# after the parameters are checked and credentials found, was not sent.
_BY_EXCEPTION: tuple[tuple[type[BaseException], type[StoreError], str], ...] = (
    (boto.NoCredentialsError, StoreRefused, "there are no credentials for the store"),
    (boto.PartialCredentialsError, StoreRefused, "the credentials for the store are incomplete"),
    (boto.CredentialRetrievalError, StoreRetryLater, "the credentials for the store could not be had"),
    (boto.MetadataRetrievalError, StoreRetryLater, "the credentials for the store could not be had"),
    (boto.TokenRetrievalError, StoreRetryLater, "the credentials for the store could not be had"),
    (boto.ParamValidationError, StoreRefused, "the parameters are not valid"),
    (boto.ValidationError, StoreRefused, "the parameters are not valid"),
    (boto.EndpointProviderError, StoreRefused, "the endpoint does not fit the parameters"),
    (UnicodeEncodeError, StoreRefused, "the parameters are not valid"),
    (boto.EndpointConnectionError, StoreRetryLater, "no connection to the store"),
    (boto.ConnectTimeoutError, StoreRetryLater, "no connection to the store in time"),
    (boto.ProxyConnectionError, StoreRetryLater, "no connection to the proxy before the store"),
    (boto.SSLError, StoreUnknownOutcome, "the encrypted connection to the store failed"),
    (boto.ReadTimeoutError, StoreUnknownOutcome, "no answer of the store in time"),
    (boto.HTTPClientError, StoreUnknownOutcome, "the connection to the store was lost"),
    (boto.BotoCoreError, StoreUnknownOutcome, "the call failed"),
    (ResponseParserError, StoreUnknownOutcome, "the answer of the store cannot be read"),
    (ValueError, StoreUnknownOutcome, "the answer of the store cannot be read"),
    (HTTPException, StoreUnknownOutcome, "the connection to the store was lost"),
    (OSError, StoreUnknownOutcome, "the connection to the store was lost"),
)
_KNOWN = (boto.ClientError, *(kind for kind, _, _ in _BY_EXCEPTION))

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def translate(error: BaseException, operation: Operation) -> StoreError:
    """Say what an error of botocore means for the operation; an error of a class that is not known leaves it open.

    The message holds the operation, the code and the HTTP status, and nothing else of what the store or botocore say:
    there may be URLs, keys or signatures in that.
    """
    if isinstance(error, boto.ClientError):
        kind, text, retry_after = _of_answer(error.response, operation)
    else:
        kind, text = _of_exception(error)
        retry_after = None
    if kind is StoreUnknownOutcome and not operation.changes:
        kind = StoreRetryLater
    message = f"{operation.name}: {text}"
    return kind(message) if retry_after is None else kind(message, retry_after=retry_after)


def _of_answer(response: Mapping[str, Any], operation: Operation) -> tuple[type[StoreError], str, int | None]:
    code = str(response.get("Error", {}).get("Code", ""))
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode")
    named = code if _CODE.fullmatch(code) else "an error without a code"
    text = f"the store answered {named}" + (f" (HTTP {status})" if status else "")
    return _kind_of_answer(code, status, operation), text, _retry_after(metadata.get("HTTPHeaders", {}))


def _kind_of_answer(code: str, status: int | None, operation: Operation) -> type[StoreError]:
    if operation.of_upload and code in _OF_UPLOAD:
        return _OF_UPLOAD[code]
    if operation is COMPLETE and code in _OF_PARTS:
        return _OF_PARTS[code]
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status is None:
        return StoreUnknownOutcome
    return _BY_STATUS.get(status, StoreRefused if 300 <= status < 500 else StoreUnknownOutcome)


def _retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds of a ``Retry-After``, which has a number or a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = int(value[:9])
    else:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        # A date "-0000" comes without a zone and means UTC all the same.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = int((moment - datetime.now(UTC)).total_seconds())
    return min(max(seconds, 1), MAX_RETRY_AFTER)


def _of_exception(error: BaseException) -> tuple[type[StoreError], str]:
    if isinstance(error, boto.SSLError) and _has_cause(error, ssl.SSLCertVerificationError):
        return StoreRefused, "the certificate of the store is not trusted"
    for kind, answer, text in _BY_EXCEPTION:
        if isinstance(error, kind):
            return answer, text
    return StoreUnknownOutcome, "the call failed"


def _has_cause(error: BaseException, kind: type[BaseException]) -> bool:
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if isinstance(cause, kind):
            return True
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return False


class AttemptWatch(threading.local):
    """Remembers for the call that this thread is making whether one of its attempts has left the outcome open.

    botocore tells only how the last attempt ended. When the first one to create an upload has timed out and the second
    found no connection, there may be an upload all the same.
    """

    operation: Operation | None = None
    outcome_open = False

    def observe(self, response: Any = None, caught_exception: BaseException | None = None, **_: Any) -> None:
        """Look at one attempt; a handler of botocore's event ``needs-retry``, without an opinion on retrying."""
        if self.operation is None:
            return
        error = caught_exception
        if error is None and response is not None and response[0].status_code >= 300:
            error = boto.ClientError(response[1], self.operation.name)
        if error is not None and isinstance(translate(error, self.operation), StoreUnknownOutcome):
            self.outcome_open = True

    @contextmanager
    def call(self, operation: Operation) -> Iterator[None]:
        """Translate what the calls inside raise.

        :raises StoreError: instead of an error of botocore, which stays as its cause.
        """
        self.operation, self.outcome_open = operation, False
        try:
            yield
        except _KNOWN as error:
            answer = translate(error, operation)
            if self.outcome_open and operation is CREATE and not isinstance(answer, StoreUnknownOutcome):
                answer = StoreUnknownOutcome(f"{answer.message}, and an earlier attempt had no clear answer")
            raise answer from error
        finally:
            self.operation = None
