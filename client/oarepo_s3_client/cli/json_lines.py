# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""``--json``: one JSON object a line, as ``events.schema.json`` describes them."""

import json
import sys
from collections.abc import Mapping
from threading import Lock
from typing import Any

from oarepo_s3_client import events
from oarepo_s3_client.cli.display import complain, error_text
from oarepo_s3_client.errors import ClientError


class JSONLines:
    """Events and answers for programs, on standard output; errors are said on standard error too."""

    def __init__(self) -> None:
        self._lock = Lock()

    def expect(self, files: int, size: int) -> None:
        """Programs sum up for themselves."""

    def event(self, event: events.Event) -> None:
        """Print the event."""
        self._print(event.as_dict())

    def result(self, document: Mapping[str, Any], text: str) -> None:
        """Print the answer."""
        self._print(document)

    def error(self, error: ClientError) -> None:
        """An error of the whole run: an event without a file, and the sentence for whoever reads the log."""
        self._print(events.Failed(None, "", error.code, error.message, error.hint).as_dict())
        complain(f"oarepo-s3: {error_text(error)}")

    def stopping(self) -> None:
        """The end will be said."""

    def close(self) -> None:
        """Nothing is open."""

    def _print(self, document: Mapping[str, Any]) -> None:
        # Plain ASCII, so that names survive any locale and no name can break a line.
        line = json.dumps(document, allow_nan=False)
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
