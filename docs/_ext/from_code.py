# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""Directives that write reference tables from the code.

``upload-diagram``, ``upload-states``, ``upload-transitions``, ``error-codes``,
``web-codes`` and ``settings NAME ...``. Something
that is not explained, or explained although it is gone, is an error of the build.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from oarepo_s3 import config
from oarepo_s3.errors import all_codes
from oarepo_s3.rest.errors import CODES
from oarepo_s3.uploads.states import ENDED, TRANSITIONS, Event, State

from . import state_diagram

WHEN: Mapping[Event, str] = {
    Event.OPENED: "The store has opened it and answered with its own upload id.",
    Event.OPEN_REFUSED: "The store has refused to open it; nothing was done there.",
    Event.COMPLETE: "A request has claimed the upload and sets out to join the parts.",
    Event.PARTS_REFUSED: "Parts are missing or wrong, or an interrupted completion turned out not to have happened: "
    "the client may repair and try again.",
    Event.COMPLETED: "The store shows an object of ours with the declared size and checksum.",
    Event.LOST: "The store knows no such upload, and shows no object of ours; or the object is not what was declared.",
    Event.ORPHANED: "The file was deleted behind its back while it was completing.",
    Event.ABORT: "Somebody who may has asked for it, or the record's file was deleted.",
    Event.EXPIRE: "Its time is over.",
    Event.ABANDON: "It was being opened, and nobody has gone on.",
    Event.ABORTED: "The store holds nothing of it any more; record, quota and previous version are as before.",
}
"""What each event means; the class itself explains only those whose names do not."""


def setting_names() -> list[str]:
    """The settings of the package, in the order of their definition."""
    return [name for name in vars(config) if name.startswith("S3_")]


def setting_docs() -> dict[str, str]:
    """Name -> what the module says about the setting.

    :raises ExtensionError: it says nothing about one.
    """
    found = {name: " ".join(lines).strip() for (_, name), lines in _attribute_docs("oarepo_s3.config").items()}
    if silent := [name for name in setting_names() if not found.get(name)]:
        raise ExtensionError(f"oarepo_s3/config.py does not explain {', '.join(sorted(silent))}")
    return found


def default_of(name: str) -> str:
    """The default as a reader wants it: big numbers also in a unit."""
    value = getattr(config, name)
    if type(value) is not int:
        return f"``{value!r}``"
    if name.endswith("_SIZE"):
        return f"``{value}`` ({value // 2**20:,} MiB)"
    if value >= 3600 and value % 3600 == 0:
        return f"``{value}`` ({value // 3600} h)"
    return f"``{value}``"


def _attribute_docs(module: str) -> dict[tuple[str, str], list[str]]:
    return ModuleAnalyzer.for_module(module).find_attr_docs()


class _Table(SphinxDirective):
    """A table whose cells are written in the markup of the page."""

    has_content = False
    head: ClassVar[tuple[str, ...]] = ()
    widths: ClassVar[tuple[int, ...]] = ()

    def rows(self) -> Iterable[tuple[str, ...]]:
        """The cells."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """The table as nodes."""
        group = nodes.tgroup(cols=len(self.head))
        group.extend(nodes.colspec(colwidth=width) for width in self.widths)
        group += nodes.thead("", self._row(self.head))
        group += nodes.tbody("", *(self._row(cells) for cells in self.rows()))
        return [nodes.table("", group, classes=["from-code"])]

    def _row(self, cells: Iterable[str]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *self._inline(cell))) for cell in cells))

    def _inline(self, text: str) -> list[nodes.Node]:
        found, messages = self.parse_inline(text)
        return [*found, *messages]


class UploadStates(_Table):
    """Each state, what it means, and whether it is the last."""

    head = ("State", "Meaning", "Ends")
    widths = (18, 70, 12)

    def rows(self) -> Iterable[tuple[str, ...]]:
        """From the docstrings of the states."""
        docs = _attribute_docs("oarepo_s3.uploads.states")
        for state in State:
            meaning = " ".join(docs.get(("State", state.name), ())).strip()
            if not meaning:
                raise ExtensionError(f"oarepo_s3/uploads/states.py does not explain {state}")
            yield f"``{state}``", meaning, "yes" if state in ENDED else ""


class UploadTransitions(_Table):
    """Each row of the table of transitions, and what the event means."""

    head = ("From", "Event", "To", "When")
    widths = (14, 18, 14, 54)

    def rows(self) -> Iterable[tuple[str, ...]]:
        """From the table."""
        if unexplained := set(Event) ^ set(WHEN):
            raise ExtensionError(f"docs/_ext/from_code.py: {', '.join(sorted(unexplained))} unexplained, or gone")
        for (state, event), target in TRANSITIONS.items():
            yield f"``{state}``", f"``{event}``", f"``{target}``", WHEN[event]


class UploadDiagram(SphinxDirective):
    """The picture of the states."""

    def run(self) -> list[nodes.Node]:
        """Inline SVG for HTML; the tables beside it say the same to everything else."""
        return [nodes.raw("", state_diagram.svg(), format="html")]


class ErrorCodes(_Table):
    """Each code, its status and its meaning."""

    head = ("Code", "Status", "Meaning", "Python")
    widths = (22, 9, 49, 20)

    def rows(self) -> Iterable[tuple[str, ...]]:
        """From the tree of errors."""
        for code, status, error in sorted(all_codes(), key=lambda one: (one[1], one[0])):
            meaning = " ".join((error.__doc__ or "").split("\n\n")[0].split())
            if not meaning:
                raise ExtensionError(f"oarepo_s3/errors.py does not explain {error.__name__}")
            yield f"``{code}``", f"{status}", meaning, f"``{error.__name__}``"


class WebCodes(_Table):
    """The codes of answers that are no error of ours."""

    head = ("Code", "Status")
    widths = (60, 40)

    def rows(self) -> Iterable[tuple[str, ...]]:
        """From the REST face."""
        for status, code in CODES.items():
            yield f"``{code}``", f"{status}"
        yield "``http_<status>``", "any other"


class Settings(SphinxDirective):
    """The settings that are named, each with its default and explanation."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """One ``confval`` each; they are written in reStructuredText, so the page has to be, too."""
        docs, lines = setting_docs(), list[str]()
        for name in self.arguments[0].split():
            if name not in docs:
                raise self.error(f"there is no setting {name}")
            described: list[str] = self.env.metadata[self.env.docname].setdefault("settings", "").split()  # type: ignore[attr-defined]
            self.env.metadata[self.env.docname]["settings"] = " ".join([*described, name])
            lines += [f".. confval:: {name}", f"   :default: {default_of(name)}", "", f"   {docs[name]}", ""]
        source = self.get_source_info()[0]
        return self.parse_text_to_nodes(StringList(lines, source))


def check_settings_described(app: Sphinx, env: Any) -> None:
    """Every setting is on a page.

    :raises ExtensionError: one is on none.
    """
    described = {name for page in env.metadata.values() for name in page.get("settings", "").split()}
    if missing := set(setting_names()) - described:
        raise ExtensionError(f"docs/reference/configuration.rst lacks {', '.join(sorted(missing))}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("upload-diagram", UploadDiagram)
    app.add_directive("upload-states", UploadStates)
    app.add_directive("upload-transitions", UploadTransitions)
    app.add_directive("error-codes", ErrorCodes)
    app.add_directive("web-codes", WebCodes)
    app.add_directive("settings", Settings)
    app.connect("env-check-consistency", check_settings_described)
    return {"version": "1", "parallel_read_safe": True, "env_version": 1}
