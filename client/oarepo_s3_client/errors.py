# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""What can go wrong, each with a stable code, an exit code and the next step for the user."""


class ClientError(Exception):
    """A transfer or a request has failed.

    Args:
        message: one sentence without a trailing secret, URL or traceback.
        hint: what the user can do next, one sentence; may be empty.
        code: overrides the class's code, such as with the code of the repository's answer.

    Attributes:
        code: stable name of the reason, for programs.
        exit_code: what the command line ends with.
    """

    code = "failed"
    exit_code = 1
    default_hint = ""

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        if code is not None:
            self.code = code


class UsageError(ClientError):
    """An argument or option cannot be used."""

    code = "usage"
    exit_code = 2


class NotAuthorised(ClientError):
    """The repository refuses the token, or there is none (401, 403)."""

    code = "not_authorised"
    exit_code = 4
    default_hint = "Log in with `oarepo-s3 login`, or give a token that may write to this record."


class NotFound(ClientError):
    """There is no such record, file or upload (404)."""

    code = "not_found"
    default_hint = "Check the record's address and the file's name."


class Refused(ClientError):
    """The repository refuses the request for good, such as over the quota (400, 409, 413)."""

    code = "refused"


class UploadGone(ClientError):
    """The upload has expired or was aborted (410)."""

    code = "upload_gone"
    default_hint = "Run the same command again: it begins a new upload."


class ServerTrouble(ClientError):
    """The repository or the store did not do its part in as many attempts as are allowed."""

    code = "server_trouble"
    default_hint = "Run the same command again later: what has arrived stays."


class ConnectionTrouble(ServerTrouble):
    """The repository or the store cannot be reached, or its certificate is not trusted."""

    code = "connection_trouble"
    default_hint = "Check the network, the proxy and the certificates (`oarepo-s3 doctor`), then run it again."


class FileChanged(ClientError):
    """The source has changed since the upload began."""

    code = "file_changed"
    default_hint = "Abort the upload (`oarepo-s3 abort`), then upload the file as it is now."


class SourceError(ClientError):
    """The source cannot be read, or is shorter or longer than said."""

    code = "source_unreadable"


class TransferBusy(ClientError):
    """Another process works on the same transfer."""

    code = "transfer_busy"
    default_hint = "Wait for the other process, or stop it."


class Interrupted(ClientError):
    """Cancelled or paused; finished parts stay."""

    code = "interrupted"
    exit_code = 5
    default_hint = "Run the same command again to go on."


class IntegrityError(ClientError):
    """What the store has is not what was sent, or what came is not what the store has."""

    code = "integrity"
    exit_code = 6


def untrusted(who: str) -> ConnectionTrouble:
    """The error for a certificate that does not stand up to a check."""
    return ConnectionTrouble(
        f"The {who}'s certificate is not trusted.",
        code="certificate",
        hint="If it is signed by an authority of your institution, name that authority's file (--ca-bundle).",
    )
