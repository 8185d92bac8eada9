# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""How errors of botocore are told apart; one row a kind."""

import http.client
import ssl

import pytest
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
from oarepo_s3.store import faults

URL = "https://user:password@store.example/bucket?X-Amz-Signature=feed"
CHANGING = [faults.CREATE, faults.COMPLETE, faults.ABORT, faults.DELETE]
READING = [faults.LIST_PARTS, faults.HEAD, faults.LIST_UPLOADS]
OF_UPLOAD = [faults.LIST_PARTS, faults.COMPLETE, faults.ABORT]


def answer(code: str, status: int | None = None, headers: dict[str, str] | None = None) -> boto.ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}
    error = {"Code": code, "Message": f"secret words {URL}"}
    return boto.ClientError({"Error": error, "ResponseMetadata": metadata}, "Whatever")


def kind(error: BaseException, operation: faults.Operation) -> type[StoreError]:
    return type(faults.translate(error, operation))


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AccessDenied", 403, StoreRefused),
        ("InvalidAccessKeyId", 403, StoreRefused),
        ("SignatureDoesNotMatch", 403, StoreRefused),
        ("RequestTimeTooSkewed", 403, StoreRefused),
        ("ExpiredToken", 400, StoreRefused),
        ("NoSuchBucket", 404, StoreRefused),
        ("QuotaExceeded", 403, StoreRefused),
        ("InvalidRequest", 400, StoreRefused),
        ("PermanentRedirect", 301, StoreRefused),
        ("NotImplemented", 501, StoreRefused),
        ("NeverHeardOf", 400, StoreRefused),
        ("404", 404, StoreRefused),
        ("505", 505, StoreRefused),
        ("SlowDown", 503, StoreRetryLater),
        ("ServiceUnavailable", 503, StoreRetryLater),
        ("RequestTimeout", 400, StoreRetryLater),
        ("OperationAborted", 409, StoreRetryLater),
        ("429", 429, StoreRetryLater),
        ("408", 408, StoreRetryLater),
        ("InternalError", 500, StoreUnknownOutcome),
        ("500", 500, StoreUnknownOutcome),
        ("502", 502, StoreUnknownOutcome),
        ("504", 504, StoreUnknownOutcome),
        # Without a code of S3 it is a proxy's, and the request may have gone through.
        ("503", 503, StoreUnknownOutcome),
        ("NeverHeardOf", 500, StoreUnknownOutcome),
        ("NeverHeardOf", None, StoreUnknownOutcome),
        ("200", 200, StoreUnknownOutcome),
    ],
)
def test_answers_to_a_call_that_changes_something(code, status, expected):
    for operation in CHANGING:
        assert kind(answer(code, status), operation) is expected
    for operation in READING:
        reading = StoreRetryLater if expected is StoreUnknownOutcome else expected
        assert kind(answer(code, status), operation) is reading


@pytest.mark.parametrize("code", [*faults._REFUSED, *faults._RETRY_LATER, *faults._UNKNOWN])
def test_a_code_counts_more_than_the_status(code):
    """An error in the body of an answer with status 200 reaches us as a 500."""
    listed = {**dict.fromkeys(faults._REFUSED, StoreRefused), **dict.fromkeys(faults._RETRY_LATER, StoreRetryLater)}
    assert kind(answer(code, 500), faults.CREATE) is listed.get(code, StoreUnknownOutcome)


@pytest.mark.parametrize("code", ["NoSuchUpload", "NoSuchKey"])
def test_the_upload_is_gone(code):
    for operation in OF_UPLOAD:
        assert kind(answer(code, 404), operation) is StoreUploadGone
    assert kind(answer(code, 404), faults.CREATE) is StoreRefused


@pytest.mark.parametrize(
    "code", ["InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge", "MalformedXML"]
)
@pytest.mark.parametrize("status", [400, 500])
def test_the_parts_are_refused(code, status):
    assert kind(answer(code, status), faults.COMPLETE) is StorePartsRefused
    assert kind(answer(code, status), faults.CREATE) is StoreRefused


CAUSE = OSError(URL)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (boto.NoCredentialsError(), StoreRefused),
        (boto.PartialCredentialsError(provider="env", cred_var="secret"), StoreRefused),
        (boto.CredentialRetrievalError(provider="role", error_msg=URL), StoreRetryLater),
        (boto.MetadataRetrievalError(error_msg=URL), StoreRetryLater),
        (boto.TokenRetrievalError(provider="sso", error_msg=URL), StoreRetryLater),
        (boto.ParamValidationError(report=URL), StoreRefused),
        (boto.UnknownParameterError(name=URL, operation="o", choices=""), StoreRefused),
        (boto.EndpointResolutionError(msg=URL), StoreRefused),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, URL), StoreRefused),
        (boto.EndpointConnectionError(endpoint_url=URL, error=CAUSE), StoreRetryLater),
        (boto.ConnectTimeoutError(endpoint_url=URL, error=CAUSE), StoreRetryLater),
        (boto.ProxyConnectionError(proxy_url=URL, error=CAUSE), StoreRetryLater),
        (boto.SSLError(endpoint_url=URL, error=CAUSE), StoreUnknownOutcome),
        (boto.ReadTimeoutError(endpoint_url=URL, error=CAUSE), StoreUnknownOutcome),
        (boto.ConnectionClosedError(endpoint_url=URL, error=CAUSE), StoreUnknownOutcome),
        (boto.ResponseStreamingError(error=CAUSE), StoreUnknownOutcome),
        (boto.HTTPClientError(error=CAUSE), StoreUnknownOutcome),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), StoreUnknownOutcome),
        (boto.BotoCoreError(), StoreUnknownOutcome),
        (ResponseParserError(URL), StoreUnknownOutcome),
        (ValueError(URL), StoreUnknownOutcome),
        (http.client.IncompleteRead(b"x"), StoreUnknownOutcome),
        (ConnectionResetError(URL), StoreUnknownOutcome),
        (RuntimeError(URL), StoreUnknownOutcome),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_calls_without_an_answer(error, expected):
    for operation in CHANGING:
        translated = faults.translate(error, operation)
        assert type(translated) is expected
        assert translated.message.startswith(f"{operation.name}: ")
        assert "store.example" not in str(translated)
    for operation in READING:
        assert kind(error, operation) is (StoreRefused if expected is StoreRefused else StoreRetryLater)


def _raised_from(error: Exception, cause: Exception) -> Exception:
    try:
        raise error from cause
    except type(error) as raised:
        return raised


def test_a_certificate_that_is_not_trusted_is_for_the_operator():
    cause = OSError("wrapped")
    cause.__context__ = ssl.SSLCertVerificationError("self-signed")
    error = _raised_from(boto.SSLError(endpoint_url=URL, error=cause), cause)
    assert kind(error, faults.COMPLETE) is StoreRefused


def test_causes_in_a_circle():
    error = boto.SSLError(endpoint_url=URL, error=CAUSE)
    other = OSError("other")
    error.__cause__, other.__cause__ = other, error
    assert kind(error, faults.COMPLETE) is StoreUnknownOutcome


def test_the_message_names_operation_code_and_status():
    translated = faults.translate(answer("AccessDenied", 403), faults.HEAD)
    assert str(translated) == "HeadObject: the store answered AccessDenied (HTTP 403)"


@pytest.mark.parametrize("code", ["", "<Code>x</Code>", URL, "x" * 65])
def test_what_is_no_code_stays_out_of_the_message(code):
    translated = faults.translate(answer(code), faults.CREATE)
    assert str(translated) == "CreateMultipartUpload: the store answered an error without a code"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 5),
        ("", 5),
        ("soon", 5),
        ("-3", 5),
        ("²", 5),
        ("17", 17),
        ("0", 1),
        ("9" * 50, 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 1),
        ("Wed, 21 Oct 2899 07:28:00 GMT", 3600),
    ],
)
def test_retry_after(value, seconds):
    headers = {} if value is None else {"retry-after": value}
    assert faults.translate(answer("SlowDown", 503, headers), faults.HEAD).retry_after == seconds


def test_a_call_translates_and_keeps_the_cause():
    cause = answer("AccessDenied", 403)
    with pytest.raises(StoreRefused) as refused, faults.AttemptWatch().call(faults.HEAD):
        raise cause
    assert refused.value.__cause__ is cause


def test_a_mistake_of_ours_is_not_taken_for_the_stores():
    with pytest.raises(KeyError), faults.AttemptWatch().call(faults.HEAD):
        raise KeyError("ours")


class _Response:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


TIMEOUT = {"caught_exception": boto.ReadTimeoutError(endpoint_url=URL, error=CAUSE)}
FAILURE = {"response": (_Response(500), answer("InternalError", 500).response)}
BUSY = {"response": (_Response(503), answer("SlowDown", 503).response)}
SUCCESS = {"response": (_Response(200), {})}


def _call(watch, operation, attempts, last):
    with watch.call(operation):
        for attempt in attempts:
            watch.observe(**attempt)
        raise last


@pytest.mark.parametrize("attempts", [[TIMEOUT], [FAILURE, BUSY]])
def test_an_open_attempt_to_create_is_not_forgotten(attempts):
    watch, last = faults.AttemptWatch(), boto.EndpointConnectionError(endpoint_url=URL, error=CAUSE)
    with pytest.raises(StoreUnknownOutcome, match="earlier attempt"):
        _call(watch, faults.CREATE, attempts, last)
    # It concerns that call only.
    with pytest.raises(StoreRetryLater):
        _call(watch, faults.CREATE, [BUSY], last)


def test_clear_attempts_leave_nothing_open():
    watch = faults.AttemptWatch()
    watch.observe(**TIMEOUT)
    with pytest.raises(StoreRetryLater):
        _call(watch, faults.CREATE, [BUSY, SUCCESS, {}], answer("SlowDown", 503))


def test_other_operations_may_be_repeated_anyway():
    with pytest.raises(StoreUploadGone):
        _call(faults.AttemptWatch(), faults.ABORT, [TIMEOUT], answer("NoSuchUpload", 404))
