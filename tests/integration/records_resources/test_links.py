# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Who sees which links of a pending file, and when."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oarepo_s3.store.presign import Presigner
from oarepo_s3.uploads.service import UploadService
from tests.rdm import services
from tests.rdm.application import identity_of

from .world import MIB, SIZE, RepositoryWorld, entry, entry_of, files_path


@pytest.fixture
def no_urls(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes every work on URLs an error."""

    def forbid() -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise AssertionError("there was work on URLs")

        monkeypatch.setattr(Presigner, "upload", fail)
        monkeypatch.setattr(UploadService, "of_file", fail)

    return forbid


def test_url_says_when_it_ends(world: RepositoryWorld, pid: str) -> None:
    link = entry_of(world.init(pid))["links"]["parts"][0]
    until = (world.clock() + timedelta(hours=1)).replace(microsecond=0)
    assert link["expiration"] == until.isoformat()
    assert "X-Amz-Expires=3600" in link["url"]
    assert "content-length" in link["url"]


def test_list_shows_no_parts_to_anybody(world: RepositoryWorld, pid: str, no_urls: Callable[[], None]) -> None:
    world.opened(pid)
    no_urls()
    listed = entry_of(world.client()("GET", files_path(pid)))
    assert set(listed["links"]) == {"self", "commit", "multipart", "sign"}


def test_answer_about_another_file_shows_no_parts(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid, key="first")
    answer = world.init(pid, entry("second"))
    assert "parts" not in entry_of(answer, "first")["links"]
    assert len(entry_of(answer, "second")["links"]["parts"]) == 3


def test_answer_about_the_file_shows_all_parts(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid, size=400 * MIB)
    assert [part["part"] for part in world.act("GET", pid).json["links"]["parts"]] == list(range(1, 81))
    assert len(world.act("PUT", pid, json={"metadata": {"note": "x"}}).json["links"]["parts"]) == 80


def test_who_only_previews_sees_none(world: RepositoryWorld, pid: str, no_urls: Callable[[], None]) -> None:
    world.opened(pid)
    no_urls()
    for answer in (
        world.act("GET", pid, user=services.PREVIEWER).json,
        entry_of(world.client(services.PREVIEWER)("GET", files_path(pid))),
    ):
        assert not {"parts", "multipart", "sign", "content"} & set(answer["links"])


def test_number_of_urls_can_be_limited(make_world: Callable[..., RepositoryWorld]) -> None:
    world = make_world(S3_MULTIPART_RDM_LINKS_LIMIT=2, S3_MULTIPART_PIN_CONTENT_LENGTH=False)
    pid = world.add_draft()
    assert len(entry_of(world.init(pid))["links"]["parts"]) == 2
    world.opened(pid, key="small", size=MIB)
    assert len(world.act("GET", pid, key="small").json["links"]["parts"]) == 1


def test_no_paths_for_a_service_that_has_none(make_world: Callable[..., RepositoryWorld]) -> None:
    world = make_world(S3_MULTIPART_RDM_SERVICES={})
    pid = world.add_draft()
    world.opened(pid)
    assert set(world.act("GET", pid).json["links"]) == {"self", "commit", "parts"}
    assert world.act("GET", pid, "/multipart").status_code == 404


@pytest.mark.parametrize("late", [timedelta(days=1), timedelta(0)], ids=["expired", "no second is left"])
def test_expired_upload_has_no_parts(world: RepositoryWorld, pid: str, late: timedelta) -> None:
    world.clock.now = world.clock.now.replace(microsecond=300_000)
    upload = world.opened(pid)
    world.clock.now = upload.expires_at.replace(microsecond=0) + late
    pending = world.act("GET", pid).json
    assert pending["status"] == "pending"
    assert "parts" not in pending["links"]


def test_outside_of_a_request_parts_are_shown(world: RepositoryWorld, pid: str) -> None:
    world.opened(pid)
    service = world.app.extensions["invenio-records-resources"].registry.get("draft-files")
    item = service.read_file_metadata(identity_of(services.OWNER), pid, "data.zip").to_dict()
    assert len(item["links"]["parts"]) == 3
    assert item["size"] == SIZE
