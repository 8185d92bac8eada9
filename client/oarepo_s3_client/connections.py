# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""How the repository is reached: options for the HTTP library, TLS, the token, and what its errors mean."""

import ssl
from dataclasses import dataclass, field
from typing import Any

import httpx

from oarepo_s3_client import api
from oarepo_s3_client.errors import ServerTrouble, UsageError, untrusted
from oarepo_s3_client.plan import MIB
from oarepo_s3_client.retries import Fault, FaultKind
from oarepo_s3_client.servers.protocol import Request, Response, origin_of

USER_AGENT = "oarepo-s3-client/2.0.0"

LONGEST_ANSWER = 128 * MIB
"""Bytes of a body that are read. A list of 100,000 files has some 40 MiB, 10,000 URLs of parts have 5 MiB."""


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Certificates and names are checked, always: against the given authorities, else the system's.

    Raises:
        UsageError: the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"The file of authorities cannot be used: {error}.") from error
    paths = ssl.get_default_verify_paths()
    if ca_bundle is None and paths.cafile is None and paths.capath is None:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def http_options(options: api.Options, context: ssl.SSLContext) -> dict[str, Any]:
    """Arguments of httpx.Client and httpx.AsyncClient."""
    return {
        "verify": context,
        "proxy": options.proxy,
        "timeout": options.timeout,
        "follow_redirects": False,
        "headers": {"User-Agent": USER_AGENT, "Accept": "application/json"},
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=2 * options.parallel),
    }


def request_options(request: Request, options: api.Options, target: str | None) -> dict[str, Any]:
    """Arguments of httpx's request(); the token goes to the origin of the target, and to nobody else."""
    arguments: dict[str, Any] = {"method": request.method, "url": request.url}
    if request.json is not None:
        arguments["json"] = request.json
    if request.content is not None:
        arguments["content"] = request.content
    if request.timeout is not None:
        arguments["timeout"] = httpx.Timeout(options.timeout, read=max(options.timeout, request.timeout))
    if options.token is not None and target is not None and origin_of(target) == origin_of(request.url):
        arguments["headers"] = {"Authorization": f"Bearer {options.token}"}
    return arguments


def response_of(answer: httpx.Response, content: bytes) -> Response:
    """The answer, as flows know it."""
    return Response(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, content)


class AnswerTooLong(Exception):
    """A body has more bytes than any answer needs."""


@dataclass
class Reading:
    """The body of an answer, as it comes.

    Args:
        request: what was asked.
        status: of the answer.
    """

    request: Request
    status: int
    content: bytearray = field(default_factory=bytearray)

    @property
    def wanted(self) -> bool:
        """Whether the body is to be read: where a file may come in place of its address, it may have any size."""
        return self.request.read or self.status >= 300

    def take(self, block: bytes) -> None:
        """Take a block.

        Raises:
            AnswerTooLong: it is too much.
        """
        self.content += block
        if len(self.content) > LONGEST_ANSWER:
            raise AnswerTooLong


def fault_of(error: httpx.HTTPError | httpx.InvalidURL | AnswerTooLong) -> Fault:
    """Why there is no answer."""
    if isinstance(error, AnswerTooLong):
        text = f"The repository's answer is longer than {LONGEST_ANSWER // MIB} MiB."
        return Fault(FaultKind.FATAL, "the answer is too long", error=ServerTrouble(text, code="bad_answer", hint=""))
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Fault(FaultKind.FATAL, "the address is none", error=UsageError("The address cannot be used."))
    if _is_certificate(error):
        return Fault(FaultKind.FATAL, "the certificate is not trusted", error=untrusted("repository"))
    if isinstance(error, httpx.TimeoutException):
        return Fault(FaultKind.RETRY, "the repository does not answer in time")
    return Fault(FaultKind.RETRY, f"the connection to the repository failed ({type(error).__name__})")


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
