# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The schema of the lines of ``--json``."""

import json
from importlib.resources import files
from typing import Any

import jsonschema

SCHEMA = json.loads(files("oarepo_s3_client").joinpath("events.schema.json").read_text(encoding="utf-8"))


def _validator(schema: Any) -> Any:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


VALIDATORS = {name: _validator({**SCHEMA, "oneOf": [{"$ref": f"#/$defs/{name}"}]}) for name in SCHEMA["$defs"]}
"""By type, as a failure of one of twenty alternatives says little."""


def validated(line: Any) -> dict[str, Any]:
    """The line, if the schema allows it."""
    assert line["type"] in VALIDATORS, line
    faults = [error.message for error in VALIDATORS[line["type"]].iter_errors(line)]
    assert not faults, (faults, line)
    return dict(line)
