# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Directives that write the reference of the client's command line from its code.

``client-commands``, ``client-errors`` and ``client-events``.
"""

import importlib.resources
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from oarepo_s3_client import errors
from oarepo_s3_client.cli import cli

PROGRAM = "oarepo-s3"
_LITERAL = re.compile(r"`([^`]+)`|((?<!\S)--[a-z][a-z-]*|'[^' ]+'|OAREPO_[A-Z_0-9]*[A-Z])")


def inline(text: str) -> list[nodes.Node]:
    """Text as nodes; code is what stands between single backticks, and what a terminal's help shows without them."""
    found: list[nodes.Node] = []
    end = 0
    text = " ".join(text.split())
    for match in _LITERAL.finditer(text):
        found += [nodes.Text(text[end : match.start()]), nodes.literal("", match[1] or match[2])]
        end = match.end()
    return [*found, nodes.Text(text[end:])]


def table(head: tuple[str, ...], rows: list[tuple[list[nodes.Node], ...]], widths: tuple[int, ...]) -> nodes.table:
    """A table of cells with one paragraph each."""
    group = nodes.tgroup(cols=len(head))
    group.extend(nodes.colspec(colwidth=width) for width in widths)
    group += nodes.thead("", _row(tuple(inline(cell) for cell in head)))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["from-code"])


def _row(cells: tuple[list[nodes.Node], ...]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))


def section(name: str, title: list[nodes.Node], *content: nodes.Node) -> nodes.section:
    """A section that links can lead to."""
    return nodes.section("", nodes.title("", "", *title), *content, ids=[name], names=[name])


def note_targets(directive: SphinxDirective, sections: list[nodes.section]) -> list[nodes.Node]:
    """Let links lead to the sections."""
    for one in sections:
        directive.state.document.note_explicit_target(one)
    return [*sections]


class ClientCommands(SphinxDirective):
    """A section for each command: usage, help, arguments, options."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        made = [self._command(name, command) for name, command in cli.commands.items()]
        return note_targets(self, made)

    def _command(self, name: str, command: click.Command) -> nodes.section:
        context = click.Context(command, info_name=f"{PROGRAM} {name}")
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        made = section(f"{PROGRAM}-{name}", inline(name), nodes.literal_block("", usage, language="text"))
        made.extend(_paragraphs(inspect.cleandoc(command.help or "")))
        options = list(_options(name, command))
        made += table(("Option", "Meaning"), options, (34, 66))
        return made


def _paragraphs(text: str) -> Iterator[nodes.Node]:
    if not text:
        raise ExtensionError("a command of the client is not explained")
    for block in text.split("\n\n"):
        # As for click, a line that holds a backspace alone begins a block whose lines stay as they are.
        if block.startswith("\b\n"):
            yield nodes.literal_block("", block.removeprefix("\b\n"), language="text")
        else:
            yield nodes.paragraph("", "", *inline(block))


def _options(name: str, command: click.Command) -> Iterator[tuple[list[nodes.Node], ...]]:
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        if not option.help:
            raise ExtensionError(f"{PROGRAM} {name} does not explain {option.opts[0]}")
        value = "" if option.is_flag else f"\N{NO-BREAK SPACE}{_value_of(option)}"
        names: list[nodes.Node] = [nodes.literal("", option.opts[0] + value)]
        for other in option.opts[1:]:
            names += [nodes.Text(", "), nodes.literal("", other)]
        yield names, inline(_meaning(option))


def _value_of(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(option.type.choices)
    return option.metavar or option.type.name.upper()


def _meaning(option: click.Option) -> str:
    said = option.help or ""
    if option.envvar:
        said += f" Also the variable `{option.envvar}`."
    if option.show_default and not option.is_flag:
        said += f" Default: `{option.default}`."
    return said


class ClientErrors(SphinxDirective):
    """Each error with its code, the exit code and the next step."""

    def run(self) -> list[nodes.Node]:
        """The table."""
        rows = []
        for error in sorted(all_errors(), key=lambda one: (one.exit_code, one.code)):
            meaning = " ".join((error.__doc__ or "").split("\n\n")[0].split())
            if not meaning:
                raise ExtensionError(f"{error.__name__} of the client is not explained")
            code, python = [nodes.literal("", error.code)], [nodes.literal("", error.__name__)]
            rows.append((code, inline(str(error.exit_code)), inline(meaning), inline(error.default_hint), python))
        return [table(("Code", "Exit", "Meaning", "What to do", "Python"), rows, (15, 6, 30, 31, 18))]


def all_errors() -> list[type[errors.ClientError]]:
    """Every class of error of the client."""
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [value for value in found if issubclass(value, errors.ClientError) and value.__module__ == errors.__name__]


class ClientEvents(SphinxDirective):
    """Each kind of line that ``--json`` prints, with its fields, from the schema."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        made = [self._event(name, definition) for name, definition in schema()["$defs"].items()]
        return note_targets(self, made)

    def _event(self, name: str, definition: Any) -> nodes.section:
        rows = [
            (
                [nodes.literal("", field)],
                inline(_kind(facts)),
                inline(facts["description"] + _optional(field, definition)),
            )
            for field, facts in definition["properties"].items()
            if field != "type"
        ]
        text = nodes.paragraph("", "", *inline(definition["description"]))
        fields = table(("Field", "Type", "Meaning"), rows, (22, 14, 64))
        return section(f"event-{name}", [nodes.literal("", name)], text, fields)


def schema() -> Any:
    """The schema that the client is installed with."""
    path = importlib.resources.files("oarepo_s3_client").joinpath("events.schema.json")
    return json.loads(path.read_text(encoding="utf-8"))


def _kind(facts: Any) -> str:
    return " or ".join(f"`{value}`" for value in facts["enum"]) if "enum" in facts else str(facts["type"])


def _optional(field: str, definition: Any) -> str:
    return "" if field in definition["required"] else " (may be missing)"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("client-commands", ClientCommands)
    app.add_directive("client-errors", ClientErrors)
    app.add_directive("client-events", ClientEvents)
    return {"version": "1", "parallel_read_safe": True}
