# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Every setting has a check, and a value that cannot work stops the application at its start."""

from typing import Any

import pytest
from flask import Flask

from oarepo_s3 import config
from oarepo_s3.errors import ConfigurationError
from oarepo_s3.ext import OARepoS3
from oarepo_s3.settings import CHECKS, check_settings, limits_of, rules_of

NAMES = {name for name in dir(config) if name.startswith("S3_")}
NUMBERS = [0, -1, 1.5, "10", True, None]
SECONDS = [0, -1, "1", True, None, float("nan"), float("inf")]
FLAGS = [0, 1, "yes", None]
BAD: dict[str, list[Any]] = {
    "S3_TENANT": ["", 1],
    "S3_CLIENT": ["S3Client", None, 1],
    "S3_PUBLIC_ENDPOINT_URL": [
        "",
        "s3.example.org",
        "ftp://s3.example.org",
        "https://",
        "https://u:p@s3.example.org",
        "https://s3.example.org/?x=1",
        "https://[s3.example.org",
        "https://s3.example.org:port",
        1,
    ],
    "S3_MULTIPART_URL_EXPIRATION": [*NUMBERS, 604_801],
    "S3_MULTIPART_URLS_PER_ANSWER": [-1, 1.5, "10", 10_001],
    "S3_MULTIPART_PART_SIZE": [*NUMBERS, 5 * 2**20 - 1, 5 * 2**30],
    "S3_MULTIPART_RDM_SERVICES": [None, "files", {"files": 1}, {1: "/records/<pid_value>"}, {"files": "/x"}],
    "S3_MULTIPART_RDM_LINKS_LIMIT": [-1, "10", 1.5, True],
    "S3_MULTIPART_RDM_RECOMPUTE_RATE": [-1, "10", 1.5, True],
    "S3_MULTIPART_BATCH_LIMIT": [0, None, "100", True],
    "S3_MULTIPART_ONE_PUT_LIMIT": [-1, 5 * 2**30 + 1, None, 1.5, True],
    "S3_MULTIPART_MAX_FILE_SIZE": [0, "1", True],
    "S3_MULTIPART_EQUAL_PARTS": FLAGS,
    "S3_MULTIPART_PIN_CONTENT_LENGTH": FLAGS,
    "S3_MULTIPART_OPAQUE_ETAGS": FLAGS,
    "S3_MULTIPART_UPLOAD_ID_AS_CAPABILITY": FLAGS,
    "S3_MULTIPART_BUSY_WAIT": SECONDS,
    "S3_MULTIPART_COMPLETE_TIMEOUT": SECONDS,
    "S3_MULTIPART_STORE_TIMEOUT": SECONDS,
    "S3_MULTIPART_SWEEP_DEADLINE": SECONDS,
    "S3_MULTIPART_RECORDS_FILES_ENDPOINTS": [["recid"], {"recid": None}, {"recid": {"nope": 1}}],
    **dict.fromkeys(
        [
            "S3_MULTIPART_UPLOAD_EXPIRATION",
            "S3_MULTIPART_MAX_URLS_PER_ANSWER",
            "S3_MULTIPART_MIN_PART_SIZE",
            "S3_MULTIPART_MAX_PART_SIZE",
            "S3_MULTIPART_STORE_ATTEMPTS",
            "S3_MULTIPART_STORE_CONNECTIONS",
            "S3_MULTIPART_SWEEP_BATCH",
            "S3_MULTIPART_SWEEP_CONCURRENCY",
            "S3_MULTIPART_RECONCILE_AFTER",
        ],
        NUMBERS,
    ),
}
GOOD: list[tuple[str, Any]] = [
    ("S3_MULTIPART_RDM_SERVICES", {}),
    ("S3_MULTIPART_RDM_LINKS_LIMIT", 0),
    ("S3_TENANT", "tenant"),
    ("S3_CLIENT", "a.B"),
    ("S3_CLIENT", object),
    ("S3_PUBLIC_ENDPOINT_URL", "http://127.0.0.1:9000"),
    ("S3_PUBLIC_ENDPOINT_URL", "https://example.org/s3/"),
    ("S3_MULTIPART_URL_EXPIRATION", 604_800),
    ("S3_MULTIPART_URLS_PER_ANSWER", 0),
    ("S3_MULTIPART_URLS_PER_ANSWER", 10_000),
    ("S3_MULTIPART_MAX_FILE_SIZE", 1),
    ("S3_MULTIPART_BUSY_WAIT", 0.5),
    ("S3_MULTIPART_PART_SIZE", config.S3_MULTIPART_MIN_PART_SIZE),
    ("S3_MULTIPART_PART_SIZE", config.S3_MULTIPART_MAX_PART_SIZE),
    ("S3_MULTIPART_RECORDS_FILES_ENDPOINTS", {"recid": {"files_path": "f", "restricted": False}}),
]


def test_every_setting_has_a_check_and_every_check_a_setting() -> None:
    assert set(CHECKS) == NAMES
    assert set(BAD) == NAMES


def test_defaults_pass() -> None:
    settings = {name: getattr(config, name) for name in NAMES}
    check_settings(settings)
    assert all(check(settings[name]) is None for name, check in CHECKS.items())


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_value_stops_the_start_and_is_named(name: str, value: Any) -> None:
    app = Flask("test")
    app.config[name] = value
    with pytest.raises(ConfigurationError, match=name):
        OARepoS3(app)
    assert "oarepo-s3" not in app.extensions


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_good_value_is_kept(name: str, value: Any) -> None:
    app = Flask("test")
    app.config[name] = value
    OARepoS3(app)
    assert app.config[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("S3_MULTIPART_MIN_PART_SIZE", 17 * 2**20), ("S3_MULTIPART_MAX_PART_SIZE", 15 * 2**20)],
)
def test_sizes_have_to_fit_together(name: str, value: int) -> None:
    app = Flask("test")
    app.config[name] = value
    with pytest.raises(ConfigurationError, match="S3_MULTIPART_PART_SIZE: has to lie between"):
        OARepoS3(app)


def test_endpoint_in_an_error_shows_no_password() -> None:
    app = Flask("test")
    app.config["S3_PUBLIC_ENDPOINT_URL"] = "https://user:s3cr3t@s3.example.org"
    with pytest.raises(ConfigurationError) as refused:
        OARepoS3(app)
    assert "s3cr3t" not in str(refused.value)


def test_settings_become_limits_and_rules() -> None:
    settings: dict[str, Any] = {name: getattr(config, name) for name in NAMES}
    settings |= {"S3_MAXIMUM_NUMBER_OF_PARTS": 77, "FILES_REST_OBJECT_KEY_MAX_LEN": 99, "S3_MULTIPART_SWEEP_BATCH": 3}
    limits, rules = limits_of(settings), rules_of(settings)
    assert (limits.max_parts, limits.preferred_part_size) == (77, config.S3_MULTIPART_PART_SIZE)
    assert (limits.min_part_size, limits.max_part_size, limits.max_file_size) == (
        config.S3_MULTIPART_MIN_PART_SIZE,
        config.S3_MULTIPART_MAX_PART_SIZE,
        None,
    )
    assert (rules.max_key_length, rules.sweep_batch) == (99, 3)
    for name in rules.__slots__:
        if name != "max_key_length":
            assert getattr(rules, name) == settings[f"S3_MULTIPART_{name.upper()}"]
