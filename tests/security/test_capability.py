# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""An upload id cannot be guessed, found out, or used for what it is not meant for."""

import random
import re
import uuid
from collections import Counter

import pytest

from oarepo_s3.uploads.claiming import new_upload
from oarepo_s3.uploads.files import PendingFile
from oarepo_s3.uploads.opening import OpenRequest
from tests.integration.records_app import RecordsWorld, file_path

from .conftest import CAPABILITY, MakeWorld, no_effect

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MANY = 10_000
PATHS = {"1/presigned": "GET", "parts": "GET", "complete": "POST", "abort": "DELETE"}


def made(world: RecordsWorld) -> list[str]:
    """The ids of many uploads of one file at one moment."""
    context = world.service.context
    request = OpenRequest(uuid.UUID(int=0), "data.zip", 1)
    plan = world.service.plan_of(request)
    pending = PendingFile(uuid.UUID(int=1), uuid.UUID(int=2), "s3://files/key", True, None)
    return [new_upload(context, request, plan, pending).public_id for _ in range(MANY)]


def test_ids_are_long_and_random(world: RecordsWorld):
    found = made(world)
    assert len(set(found)) == MANY
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", one) for one in found)
    # 256 bits are 42 characters and a third of one: the last has but 16 values.
    expected = MANY / len(ALPHABET)
    for place in range(42):
        counts = Counter(one[place] for one in found)
        deviation = sum((counts[character] - expected) ** 2 / expected for character in ALPHABET)
        # Chi-squared with 63 degrees of freedom exceeds 150 once in 10^8 times.
        assert deviation < 150
    assert len({one[42] for one in found}) == 16
    prefixes = Counter(one[:8] for one in found)
    assert max(prefixes.values()) == 1


def test_ids_do_not_depend_on_the_seedable_generator(world: RecordsWorld):
    random.seed(1)
    first = set(made(world)[:100])
    random.seed(1)
    assert not first.intersection(made(world)[:100])


@pytest.mark.parametrize("capability", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_almost_the_id_is_not_enough(make_world: MakeWorld, path: str, capability: bool):
    world = make_world(**(CAPABILITY if capability else {}))
    upload_id = world.client().open().json["uploadId"]
    nearly = [
        upload_id[:-1] + ("A" if upload_id[-1] != "A" else "B"),
        upload_id.swapcase(),
        upload_id[::-1],
        "%" * 43,
        "'" * 43,
        "A" * 43,
        "ž" * 43,
    ]
    with no_effect(world):
        for one in nearly:
            answer = world.client()(PATHS[path], f"{file_path('data.zip')}/{one}/{path}", json={})
            assert (answer.status_code, answer.json["code"]) == (404, "upload_not_found"), one
    for one in ("", upload_id[:42], upload_id + "A"):  # the address of another file
        assert world.client()(PATHS[path], f"{file_path('data.zip')}/{one}/{path}").status_code in (404, 405)


@pytest.mark.parametrize("path", PATHS)
def test_with_the_setting_off_the_id_is_no_permission(world: RecordsWorld, path: str):
    upload_id = world.client().open().json["uploadId"]
    with no_effect(world):
        for user, status in ((None, 401), ("other", 403), ("reader", 403)):
            answer = world.client(user)(PATHS[path], f"{file_path('data.zip')}/{upload_id}/{path}", json={})
            assert answer.status_code == status


@pytest.mark.parametrize("path", PATHS)
def test_an_ended_upload_gives_nothing_away(make_world: MakeWorld, path: str):
    world = make_world(**CAPABILITY)
    upload_id = world.client().open().json["uploadId"]
    assert world.client().act("abort").status_code == 200
    with no_effect(world):
        answer = world.client(None)(PATHS[path], f"{file_path('data.zip')}/{upload_id}/{path}", json={})
    assert answer.status_code == (200 if path == "abort" else 410)
    assert set(answer.json) <= {"status", "message", "code"}
