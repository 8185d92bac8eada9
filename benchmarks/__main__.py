# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""``python -m benchmarks`` lists the benchmarks, ``python -m benchmarks NAME [--json]`` runs one.

A benchmark is a module of this package whose name does not begin with an underscore: the first line of its docstring
says what it measures, and ``run()`` returns a dictionary that JSON can hold.
"""

import argparse
import ast
import json
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path


def discover() -> dict[str, str]:
    """Name and first docstring line of each benchmark, without importing it: what it needs may not be installed."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[path.stem] = docstring.partition("\n")[0]
    return found


def rows(result: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The result as names and values, with the names of what is nested joined by dots."""
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from rows(value, f"{prefix}{name}.")
        else:
            yield prefix + name, f"{value:,.4g}" if isinstance(value, float) else str(value)


def print_table(table: list[tuple[str, str]]) -> None:
    """Print two columns."""
    width = max((len(name) for name, _ in table), default=0)
    for name, value in table:
        print(f"{name:<{width}}  {value}")


def main() -> int:
    """List or run."""
    benchmarks = discover()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run a benchmark, or list them.")
    parser.add_argument("name", nargs="?", choices=sorted(benchmarks), help="benchmark to run; none to list them")
    parser.add_argument("--json", action="store_true", help="the last line of the output is one JSON object")
    arguments = parser.parse_args()
    if arguments.name is None:
        if arguments.json:
            print(json.dumps(benchmarks))
        else:
            print_table(list(benchmarks.items()))
        return 0
    result = import_module(f"benchmarks.{arguments.name}").run()
    if arguments.json:
        print(json.dumps(result))
    else:
        print_table(list(rows(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
