# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT
"""The examples do what the pages say."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from invenio_db import db

from oarepo_s3 import MultipartUpload, config
from oarepo_s3.errors import Forbidden, StoreRetryLater, StoreUnknownOutcome
from oarepo_s3.settings import CHECKS, check_settings
from oarepo_s3.signals import after_upload_complete, before_upload_complete
from oarepo_s3.testing import FakeStore
from oarepo_s3.uploads.integrity import composite_etag
from oarepo_s3.uploads.states import State
from tests.docs.pages import DOCS, README, Block, blocks, pages
from tests.docs.rest_examples import Example, Message, documented_world, examples
from tests.integration.records_app import USER_HEADER, RecordsWorld

PYTHON = [block for page in pages() for block in blocks(page, "python")]
JSON = [block for page in pages() for block in blocks(page, "json")]
SHELL = [block for page in pages() for block in blocks(page, "bash")]
EXAMPLES = examples()


def run(block: Block, **names: Any) -> dict[str, Any]:
    """Execute a block; the names that it has then."""
    exec(compile(block.text, str(block), "exec"), names)
    return names


def find(page: Path, needle: str) -> Block:
    """The one Python block of a page with this text in it."""
    (found,) = [block for block in PYTHON if block.path == page and needle in block.text]
    return found


# every block ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles(block: Block) -> None:
    assert compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", JSON, ids=str)
def test_json_is_valid(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shell_parses(block: Block) -> None:
    parsed = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
    assert (parsed.returncode, parsed.stderr) == (0, "")


# REST -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers() -> list[Message]:
    """The real answers to the requests of the page, in order."""
    with documented_world() as runner:
        return [runner.run(example.request) for example in EXAMPLES]


@pytest.mark.parametrize("index", range(len(EXAMPLES)), ids=[EXAMPLE.request.start for EXAMPLE in EXAMPLES])
def test_rest_answers_as_the_page_says(answers: list[Message], index: int) -> None:
    example: Example = EXAMPLES[index]
    assert answers[index].normal() == example.answer.normal(), f"see {example.answer_block}"


def test_rest_error_in_the_text_is_a_real_one(world: RecordsWorld) -> None:
    (block,) = [block for block in JSON if block.path.name == "errors.md"]
    shown = json.loads(block.text)
    world.client().open(size=shown["size"])
    world.put_parts(world.upload(), 1, 3)
    answer = world.client().act("complete")
    assert (answer.status_code, answer.json) == (shown["status"], shown)


# settings -------------------------------------------------------------------------------------------------------------

CONFIGURATIONS = [block for block in PYTHON if "invenio.cfg" in block.text or re.match(r"S3_\w+ = ", block.text)]


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=str)
def test_settings_of_the_pages_pass_the_check(block: Block) -> None:
    settings = run(block)
    check_settings({name: settings.get(name, getattr(config, name)) for name in CHECKS})


def test_beat_entries_name_tasks_that_are_there() -> None:
    import oarepo_s3.tasks as tasks

    for page in (README, DOCS / "how-to" / "sweep.md"):
        schedule = run(find(page, "CELERY_BEAT_SCHEDULE"))["CELERY_BEAT_SCHEDULE"]
        assert {entry["task"] for entry in schedule.values()} == {
            tasks.cleanup_expired_multipart_uploads.name,
            tasks.reconcile_multipart_uploads.name,
        }


# for developers -------------------------------------------------------------------------------------------------------


def test_readme_opens_an_upload(world: RecordsWorld) -> None:
    upload: MultipartUpload = run(find(README, "MultipartUpload("), record=world.record())["upload"]
    assert upload.session["parts_count"] == 64
    assert len(upload.session["parts_url"]) == config.S3_MULTIPART_URLS_PER_ANSWER
    assert upload.session["complete_url"] == "/records/1/files/data.zip/complete-multipart"


def test_quickstart_opens_and_completes(world: RecordsWorld, capsys: pytest.CaptureFixture[str]) -> None:
    page, record = DOCS / "quickstart.md", world.record()
    receiver = run(find(page, "after_upload_complete"))["announce"]
    try:
        run(find(page, "MultipartUpload("), record=record)
        world.put_parts(world.upload())
        run(find(page, "current_uploads.complete"), record=record)
    finally:
        after_upload_complete.disconnect(receiver)
    assert world.upload().state is State.COMPLETED
    opened, announced = capsys.readouterr().out.splitlines()
    assert opened == f"{world.upload().public_id} 64"
    assert announced == "data.zip has arrived, 1073741824 bytes"


def test_receiver_of_the_signals_page_forbids(world: RecordsWorld) -> None:
    receiver = run(find(DOCS / "reference" / "signals.md", "only_archives"))["only_archives"]
    try:
        world.client().open(key="notes.txt")
        world.put_parts(world.upload("notes.txt"))
        answer = world.client().act("complete", "notes.txt")
    finally:
        before_upload_complete.disconnect(receiver)
    assert (answer.status_code, answer.json["code"]) == (403, Forbidden.code)
    assert world.upload("notes.txt").state is State.OPEN


# for tests of others --------------------------------------------------------------------------------------------------

TESTING = DOCS / "how-to" / "testing.md"


def test_fake_store_joins_parts() -> None:
    store = run(find(TESTING, "store.complete_upload("))["store"]
    assert list(store.objects()) == [("my-bucket", "some/key")]


def test_fake_store_is_put_into_an_application() -> None:
    names = run(find(TESTING, "def app_config"))
    store = names["store"].__wrapped__() if hasattr(names["store"], "__wrapped__") else FakeStore()
    settings = names["app_config"].__wrapped__({}, store)
    assert settings["S3_CLIENT"](timeout=1) is store
    assert settings["FILES_REST_STORAGE_FACTORY"] == "oarepo_s3.storage.s3_storage_factory"


def test_parts_are_put_by_the_helper_of_the_page(world: RecordsWorld) -> None:
    world.client().open()
    put_all_parts = run(find(TESTING, "def put_all_parts"))["put_all_parts"]
    put_all_parts(world.store, world.bucket().id, "data.zip")
    assert world.client().act("complete").status_code == 200


def test_fake_store_fails_as_the_page_says() -> None:
    store = run(find(TESTING, "StoreUnknownOutcome"))["store"]
    with pytest.raises(StoreRetryLater):
        store.create_upload("b", "k", content_type="text/plain", stamp="")
    assert store.uploads() == []
    upload_id = store.create_upload("b", "k", content_type="text/plain", stamp="").upload_id
    part = store.put_part("b", "k", upload_id, 1, b"x")
    with pytest.raises(StoreUnknownOutcome):
        store.complete_upload("b", "k", upload_id, [part])
    assert list(store.objects()) == [("b", "k")]


# for uploaders --------------------------------------------------------------------------------------------------------


def test_checksum_of_the_page_is_the_servers(tmp_path: Path) -> None:
    compute = run(find(DOCS / "understanding" / "integrity.md", "def multipart_checksum"))["multipart_checksum"]
    content, store = bytes(range(256)) * 50, FakeStore()
    path = tmp_path / "data"
    path.write_bytes(content)
    upload_id = store.create_upload("b", "k", content_type="text/plain", stamp="").upload_id
    pieces = [content[start : start + 5000] for start in range(0, len(content), 5000)]
    parts = [store.put_part("b", "k", upload_id, number, piece) for number, piece in enumerate(pieces, 1)]
    assert compute(path, 5000) == f"multipart:{composite_etag([part.etag for part in parts])}-5000"


class Answer:
    """What the example needs of an answer of the requests library."""

    def __init__(self, status: int, body: Any = None) -> None:
        self._status, self._body = status, body

    def raise_for_status(self) -> None:
        assert self._status < 300, self._body

    def json(self) -> Any:
        return self._body


class Session:
    """A session of requests that asks the application under test."""

    def __init__(self, app: Flask) -> None:
        self._http = app.test_client()
        self.headers: dict[str, str] = {}

    def post(self, url: str, json: Any) -> Answer:
        return self._ask("POST", url, json=json)

    def get(self, url: str) -> Answer:
        return self._ask("GET", url)

    def _ask(self, method: str, url: str, **arguments: Any) -> Answer:
        assert self.headers == {"Authorization": "Bearer secret"}
        answer = self._http.open(
            url.removeprefix("http://localhost"), method=method, headers={USER_HEADER: "owner"}, **arguments
        )
        return Answer(answer.status_code, answer.json)


@pytest.fixture
def requests_library(world: RecordsWorld, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The requests library, replaced; sizes of the parts that were put. The third one gets lost."""
    sizes: list[int] = []

    def put(url: str, data: bytes) -> Answer:
        number = int(re.search(r"[?&]partNumber=(\d+)", url)[1])  # type: ignore[index]
        sizes.append(len(data))
        if len(sizes) == 3:
            return Answer(503)
        upload = world.upload("big.bin")
        world.store.put_part(upload.s3_bucket, upload.s3_key, upload.s3_upload_id or "", number, data)
        return Answer(200)

    module = ModuleType("requests")
    module.Session = lambda: Session(world.app)  # type: ignore[attr-defined]
    module.put = put  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "requests", module)
    return sizes


def test_python_uploader_goes_on_where_it_stopped(
    world: RecordsWorld, requests_library: list[int], tmp_path: Path
) -> None:
    module = ModuleType("requests.placeholder")
    block = find(DOCS / "quickstart.md", "def put_part")
    text = block.text.replace("requests.Session, session", "object, session")  # an annotation, evaluated
    assert text != block.text
    exec(compile(text, str(block), "exec"), vars(module))
    path = tmp_path / "big.bin"
    path.write_bytes(b"x" * (3 * 2**24 + 5))
    with pytest.raises(AssertionError):
        module.upload("/draft/records/1/files", "secret", path)
    answer = module.upload("/draft/records/1/files", "secret", path)
    db.session.commit()
    assert requests_library == [2**24, 2**24, 2**24, 2**24, 5]
    assert answer["checksum"].startswith("multipart:")
    assert world.upload("big.bin").state is State.COMPLETED
