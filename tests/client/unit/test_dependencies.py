# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""What is installed along with the client."""

from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CLIENT = "oarepo-s3-client"
MOST = 12
"""Packages that an empty environment may get, the client among them."""


def brought(distribution: str, extra: str = "") -> set[tuple[str, str]]:
    """Names and extras of what this one requires here, if it is asked for with the extra."""
    requirements = map(Requirement, metadata.requires(distribution) or ())
    here = [one for one in requirements if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {(canonicalize_name(one.name), wanted) for one in here for wanted in ("", *one.extras)}


def test_client_brings_few_packages() -> None:
    found, waiting = set[tuple[str, str]](), {(CLIENT, "")}
    while waiting:
        found |= waiting
        waiting = set[tuple[str, str]]().union(*(brought(*one) for one in waiting)) - found
    names = {name for name, _ in found}
    assert {CLIENT, "httpx", "httpcore", "click"} <= names
    assert len(names) <= MOST, sorted(names)
