# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""A plugin for pytest that reads along whatever is logged in a run, and fails the run if a secret is in it.

Where the tests are shared out among processes of pytest-xdist, each of these reads along, and the one that the user has
started adds up what they say.
"""

import logging
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

CAPABILITY_BYTES = 32
"""Random bytes of an upload id."""

OUTPUT = "leaks"
"""What a process of pytest-xdist calls its part of the watch when it says what came of its tests."""

# What our own code logs counts to the last line; of the libraries, what operators let through. SQLAlchemy logs every
# statement with its parameters at INFO, which nobody does in production.
LEVELS = {"": logging.INFO, "oarepo_s3": logging.DEBUG, "botocore": logging.INFO, "sqlalchemy": logging.WARNING}

_PATTERNS = {
    "a signature": re.compile(r"X-Amz-Signature=[0-9a-f]"),
    "a session token": re.compile(r"X-Amz-Security-Token\W{1,4}\w", re.IGNORECASE),
    "an authorization header": re.compile(r"AWS4-HMAC-SHA256 Credential="),
}


class LeakWatch(logging.Handler):
    """Looks for secrets in what is logged, with the text of exceptions and of their causes."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._secrets: dict[str, str] = {}
        self._capabilities: set[str] = set()
        self.records = 0
        self.test = "outside of tests"
        self.found: list[str] = []
        """One line for each leak; without the secret itself."""

    def watch(self, what: str, secret: str) -> None:
        """From here on this text is a secret, called ``what``."""
        self._secrets[secret] = what

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record."""
        self.records += 1
        for what in self.leaks_of(self.format(record)):
            self.found.append(f"{what} was logged by {record.name} ({record.levelname}) in {self.test}")

    def leaks_of(self, text: str) -> list[str]:
        """Name the secrets that are in a text."""
        known = [what for secret, what in self._secrets.items() if secret in text]
        alike = [what for what, pattern in _PATTERNS.items() if pattern.search(text)]
        ids = ["an upload id"] if self._capabilities.intersection(_tokens(text)) else []
        return known + alike + ids

    def token_urlsafe(self, nbytes: int | None = None) -> str:
        """As :func:`secrets.token_urlsafe`, and remember what may be an upload id."""
        token = _token_urlsafe(nbytes)
        if nbytes == CAPABILITY_BYTES:
            self._capabilities.add(token)
        return token


_token_urlsafe = secrets.token_urlsafe
LEAKS = LeakWatch()


def _tokens(text: str) -> Iterator[str]:
    for word in re.findall(r"[A-Za-z0-9_-]{43,}", text):
        yield from (word[start : start + 43] for start in range(len(word) - 42))


def pytest_configure(config: pytest.Config) -> None:
    """Begin to read along."""
    secrets.token_urlsafe = LEAKS.token_urlsafe
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().addHandler(LEAKS)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Know which test is to blame."""
    LEAKS.test = item.nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Add what a process of pytest-xdist has read; one that died without a word may have logged anything."""
    output = getattr(node, "workeroutput", None) or {}
    if OUTPUT not in output:
        LEAKS.found.append(f"nobody knows what was logged in {node.gateway.id}, which broke down: {error}")
        return
    records, found = output[OUTPUT]
    LEAKS.records += records
    LEAKS.found += found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a secret was logged, here or in a process of pytest-xdist that is ours."""
    if LEAKS.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[OUTPUT] = (LEAKS.records, LEAKS.found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was logged and where."""
    terminalreporter.write_line(f"secrets in {LEAKS.records} log records: {len(LEAKS.found)}")
    for line in sorted(set(LEAKS.found)):
        terminalreporter.write_line(f"LEAK {line}", red=True)
