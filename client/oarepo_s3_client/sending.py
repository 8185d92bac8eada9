# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""The parts of an upload on their way to the store."""

from collections.abc import Iterator, Mapping
from typing import Any

from oarepo_s3_client.errors import Interrupted
from oarepo_s3_client.flows import Flow, Parts
from oarepo_s3_client.integrity import is_md5, new_md5
from oarepo_s3_client.journal import Entry
from oarepo_s3_client.moving import MovingParts
from oarepo_s3_client.plan import Part
from oarepo_s3_client.servers.face import Opened
from oarepo_s3_client.servers.protocol import Sleep
from oarepo_s3_client.sources import Source, blocks
from oarepo_s3_client.work import Arrived, Move, SignedPart

WORTH_A_THREAD = 64 * 1024
"""Bytes of a block below which handing it over takes longer than hashing it."""


class SendingParts(MovingParts):
    """The parts of an upload.

    Attributes:
        source: of the bytes.
        headers: what is signed with the URL of the only part, None where the file goes in parts.
        md5: of the whole file, if it is known.
    """

    source: Source
    headers: Mapping[str, str] | None = None
    md5: str | None = None

    def sign(self, numbers: tuple[int, ...]) -> Flow[list[SignedPart]]:
        """Ask the repository for URLs."""
        return (yield from self.face.sign(self.entry.key, numbers))

    def move(self, item: Move) -> Arrived:
        """Put a part: read, hashed and sent block by block, once."""
        part, digest = item.part, new_md5()

        def body() -> Iterator[memoryview]:
            nonlocal digest
            digest = new_md5()
            self.count.begin(part.number)
            for block in self._blocks(part):
                self.pace(part.number, len(block))
                if not self.context.options.part_md5:
                    yield block
                elif len(block) < WORTH_A_THREAD:
                    digest.update(block)
                    yield block
                else:
                    hashing = self.context.hashers.submit(digest.update, block)
                    try:
                        yield block
                    finally:  # the next one is read into the same memory
                        hashing.result()

        self.source.prepare(part)
        etag = self.context.stores.put(item.url, part.size, body, self, self.headers)
        self.source.check()
        return Arrived(etag, digest.hexdigest() if self.context.options.part_md5 else None)

    def local_blocks(self, part: Part) -> Iterator[memoryview]:
        """The part as it is in the source."""
        self.source.prepare(part)
        return self._blocks(part)

    def release(self, part: Part) -> None:
        """The source need not keep the part."""
        self.source.release(part)

    def _blocks(self, part: Part) -> Iterator[memoryview]:
        return blocks(self.source, part.offset, part.size, self.context.pacing.block)


def sort_arrived(
    opened: Opened, noted: Entry | None, md5: str | None, *, compare: bool
) -> tuple[dict[int, str], dict[int, str]]:
    """What is there already: (parts that are good, parts that have to be compared with the file), number -> ETag.

    Args:
        opened: what the repository knows.
        noted: what the journal says of this upload.
        md5: of the whole file, if it is known.
        compare: whether parts are compared at all.
    """
    own = noted.etags if noted is not None and (noted.compared or not compare) else {}
    if opened.headers is not None and md5 is not None:
        own = {1: md5}
    if opened.arrived is None:
        return dict(own), {}
    there = {
        number: etag
        for number, (etag, size) in opened.arrived.items()
        if number <= opened.plan.parts_count and size == opened.plan.part(number).size
    }
    unchecked = {number: etag for number, etag in there.items() if compare and is_md5(etag) and own.get(number) != etag}
    return {number: etag for number, etag in there.items() if number not in unchecked}, unchecked


def one_by_one(parts: Parts) -> Flow[None]:
    """Move parts in the lane that asks, without others: a small file is not worth more than one."""
    while not parts.finished:
        work = parts.next_work()
        if not work:
            yield Sleep(parts.due or 0.0)
        for item in work:
            try:
                outcome: Any = yield from parts.job(item)
            except Interrupted:
                parts.stop()
                raise
            except Exception as error:  # it is the parts' to judge
                outcome = error
            parts.settle(item, outcome)
