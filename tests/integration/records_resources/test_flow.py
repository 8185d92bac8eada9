# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""From the initialisation to the download."""

from .world import PART, SIZE, RepositoryWorld, entry, entry_of


def test_file_goes_all_the_way(world: RepositoryWorld, pid: str) -> None:
    answer = world.init(pid, entry(metadata={"note": "mine"}))
    assert answer.status_code == 201, answer.json
    pending = entry_of(answer)
    assert pending["status"] == "pending"
    assert pending["transfer"] == {"type": "M", "parts": 3, "part_size": PART}
    assert pending["size"] == SIZE
    assert "checksum" not in pending
    assert "content" not in pending["links"]
    assert pending["links"]["multipart"] == pending["links"]["self"] + "/multipart"
    assert [part["part"] for part in pending["links"]["parts"]] == [1, 2, 3]
    world.put_parts(world.upload(pid))
    done = world.act("POST", pid, "/commit")
    assert done.status_code == 200, done.json
    assert done.json["status"] == "completed"
    assert done.json["transfer"] == {"type": "L"}
    assert done.json["size"] == SIZE
    assert done.json["checksum"].startswith("multipart:")
    assert done.json["metadata"] == {"note": "mine"}
    assert "parts" not in done.json["links"]
    assert done.json["links"]["content"] == done.json["links"]["self"] + "/content"
    again = world.act("POST", pid, "/commit")
    assert (again.status_code, again.json) == (200, done.json | {"updated": again.json["updated"]})
    assert world.bucket(pid).size == SIZE
    assert world.act("GET", pid, "/content").status_code == 302
