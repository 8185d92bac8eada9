# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""One run of a command: its display, its client, and how it ends."""

import os
import sys
from collections.abc import Callable, Iterable
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from oarepo_s3_client import events
from oarepo_s3_client.api import Cancel, Options
from oarepo_s3_client.cli import credentials, display
from oarepo_s3_client.cli.interrupts import Interrupts
from oarepo_s3_client.cli.options import Given
from oarepo_s3_client.errors import ClientError, Interrupted, UsageError

if TYPE_CHECKING:
    from oarepo_s3_client.client import Client

P = ParamSpec("P")


class Session:
    """What a command works with."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.cancel = Cancel()
        self.display = display.choose(json=given.json, quiet=given.quiet)
        self._given_token: str | None = None
        self._failures: set[tuple[str, str, str]] = set()
        self._unfinished: dict[str, str] = {}

    @cached_property
    def config_path(self) -> Path:
        """The file with servers and tokens."""
        return Path(self.given.server_config) if self.given.server_config else credentials.config_path()

    @cached_property
    def config(self) -> credentials.Config:
        """What it holds."""
        return credentials.load(self.config_path)

    def target(self, text: str) -> str:
        """A record's address in full; one that begins with a slash belongs to the server of the environment or file.

        Raises:
            UsageError: it is no address.
        """
        if text.startswith("/"):
            server = os.environ.get("OAREPO_S3_SERVER") or self.config.server
            if server is None:
                hint = "Give the whole address, set OAREPO_S3_SERVER, or log in."
                raise UsageError(f"It is not known which server {text} is on.", hint=hint)
            text = credentials.origin_of(server) + text
        credentials.origin_of(text)
        return text.rstrip("/")

    def client(self, target: str | None = None) -> "Client":
        """A client for a target, with the token for its server; without one, for the journal alone."""
        # The HTTP library takes longer to import than all else; whoever asks for --help shall not wait for it.
        from oarepo_s3_client.client import Client

        given = self.given
        options = Options(
            token=None if target is None else self._token(target),
            parallel=given.parallel,
            part_size=given.part_size,
            limit_rate=given.limit_rate,
            ca_bundle=given.ca_bundle,
            proxy=given.proxy,
            part_md5=not given.no_part_md5,
        )
        return Client(options, on_event=self.event)

    def stoppable(self) -> Interrupts:
        """While it is open, Ctrl-C cancels."""
        return Interrupts(self.cancel, self.display.stopping, self._say_stopped)

    def event(self, event: events.Event) -> None:
        """Show an event of a transfer, and remember what is still to do."""
        match event:
            case events.Summary():  # the command says it, over all that it did
                return
            case events.Started():
                self._unfinished[event.transfer] = event.key
            case events.Finished():
                self._unfinished.pop(event.transfer, None)
            case events.Failed(code=Interrupted.code):  # the end of the whole run, said once
                return
            case events.Failed():
                self._failures.add((event.key, event.code, event.message))
        self.display.event(event)

    def notice(self, code: str, message: str, key: str | None = None) -> None:
        """Something the user should know."""
        self.display.event(events.Notice(code, message, key))

    def fail(self, key: str, error: ClientError) -> None:
        """A file has failed, and others go on; said once, also if the client has said it."""
        if (key, error.code, error.message) not in self._failures:
            self.event(events.Failed(None, key, error.code, error.message, error.hint))

    def heading(self, text: str) -> None:
        """The head of a table, for people alone."""
        if not (self.given.json or self.given.quiet):
            self.display.result({}, text)

    def result(self, text: str, type: str, **document: Any) -> None:
        """A line of the answer, for people and for programs; fields that are None are left out."""
        kept = {name: value for name, value in document.items() if value is not None}
        self.display.result({"type": type, **kept}, text)

    def run(self, action: Callable[[], int | None]) -> int:
        """Do what the command does; the exit code."""
        try:
            return action() or 0
        except ClientError as error:
            self._tell(error)
            return error.exit_code
        except KeyboardInterrupt:
            self._tell(Interrupted("Interrupted."))
            return Interrupted.exit_code
        except BrokenPipeError:  # whoever read our output has seen enough, such as head(1)
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the interpreter to flush at its end
            return ClientError.exit_code
        finally:
            self.display.close()

    def _tell(self, error: ClientError) -> None:
        if isinstance(error, Interrupted):
            error = Interrupted(error.message, hint=self._how_to_go_on())
        if (error.code, error.message) not in {failure[1:] for failure in self._failures}:
            self.display.error(error)

    def _how_to_go_on(self) -> str:
        again = "Run the same command again to go on"
        if len(self._unfinished) == 1:
            (transfer,) = self._unfinished
            if any(one.transfer == transfer for one in self.client().transfers()):
                again += f", or `oarepo-s3 resume {transfer}`"
        return f"{again}."

    def check_one_server(self, targets: Iterable[str]) -> None:
        """A token that was given by hand is for one server, and must not reach another one.

        Raises:
            UsageError: the targets, which come from the journal, are on several.
        """
        by_hand = self.given.token or self.given.token_file or os.environ.get("OAREPO_S3_TOKEN")
        if by_hand and len({credentials.origin_of(target) for target in targets}) > 1:
            hint = "Name those of one server, or log in to each with `oarepo-s3 login`."
            raise UsageError("The transfers are for several servers, and the token is for one.", hint=hint)

    def _token(self, target: str) -> str | None:
        if self._given_token is None:
            self._given_token = credentials.given_token(self.given.token, self.given.token_file, os.environ)
        token = self._given_token or credentials.kept_token(target, self.config)
        if token is not None and not credentials.is_encrypted(target):
            self.notice("token_unencrypted", "the token travels unencrypted; ask for an address with https://")
        return token

    @staticmethod
    def _say_stopped() -> None:
        if os.isatty(1):  # the cursor may be hidden behind bars
            os.write(1, b"\x1b[?25h\n")
        display.complain_in_handler("oarepo-s3: Stopped at once. Run the same command again to go on.")


def command(function: Callable[Concatenate[Session, P], int | None]) -> Callable[P, None]:
    """Turn a function that works with a session into the body of a click command."""

    @wraps(function)
    def body(*args: P.args, **kwargs: P.kwargs) -> None:
        context = click.get_current_context()
        session = Session(context.ensure_object(Given))
        context.exit(session.run(lambda: function(session, *args, **kwargs)))

    return body
