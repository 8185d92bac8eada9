# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Performs flows with tasks of asyncio; what blocks, such as reading, hashing and sending, goes to threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import httpx

from oarepo_s3_client import api
from oarepo_s3_client.connections import AnswerTooLong, Reading, fault_of, request_options, response_of
from oarepo_s3_client.errors import Interrupted
from oarepo_s3_client.flows import Blocking, Effect, Flow, Lanes, Parts
from oarepo_s3_client.many import ManyUploads
from oarepo_s3_client.servers.protocol import Request, Sleep

T = TypeVar("T")
Results = asyncio.Queue[tuple[Any, Any] | None]


class TaskRunner:
    """Runs flows in the task of the caller, and moves parts in tasks of its own.

    Args:
        options: of the client.
        http: asks the repository.
    """

    def __init__(self, options: api.Options, http: httpx.AsyncClient):
        self._options, self._http = options, http
        # One more thread than lanes, so that opening a file does not wait for a part to be through.
        self._pool = ThreadPoolExecutor(options.parallel + 1, thread_name_prefix="oarepo-s3")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    async def run(self, flow: Flow[T], target: str, cancel: api.Cancel) -> T:
        """Perform what a flow yields, and return what it returns."""
        try:
            effect = next(flow)
            while True:
                try:
                    result = await self._perform(effect, target, cancel)
                except Exception as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            flow.close()

    async def run_many(self, many: ManyUploads, target: str, cancel: api.Cancel) -> None:
        """Upload many files."""
        with cancel.calling(many.cancel.cancel):
            await self._move(many, target, many.cancel)

    async def _perform(self, effect: Effect, target: str, cancel: api.Cancel) -> Any:
        if isinstance(effect, Lanes):
            return await self._move(effect.parts, target, cancel)
        if cancel.cancelled:
            raise Interrupted("Interrupted; what has arrived stays.")
        if isinstance(effect, Blocking):
            return await self._block(effect.call)
        if isinstance(effect, Sleep):
            return await _sleep(effect.seconds, cancel)
        return await self._ask(effect, target)

    async def _block(self, call: Callable[[], Any]) -> Any:
        """Call in a thread. A call that has begun is waited for even if this task is cancelled: it uses our files."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with suppress(Exception):
                await future
            raise

    async def _ask(self, request: Request, target: str) -> Any:
        try:
            async with self._http.stream(**request_options(request, self._options, target)) as answer:
                reading = Reading(request, answer.status_code)
                if reading.wanted:
                    async for block in answer.aiter_bytes():
                        reading.take(block)
                return response_of(answer, bytes(reading.content))
        except (httpx.HTTPError, httpx.InvalidURL, AnswerTooLong) as error:
            return fault_of(error)

    async def _move(self, parts: Parts, target: str, cancel: api.Cancel) -> None:
        loop = asyncio.get_running_loop()
        results: Results = asyncio.Queue()
        tasks: set[asyncio.Task[None]] = set()

        def wake() -> None:
            loop.call_soon_threadsafe(results.put_nowait, None)

        try:
            with cancel.calling(wake):
                while not self._begin(parts, tasks, results, target, cancel):
                    try:
                        result = await asyncio.wait_for(results.get(), parts.due)
                    except TimeoutError:
                        continue
                    if result is None:
                        parts.stop()
                    else:
                        parts.settle(*result)
        finally:
            if not parts.finished:
                parts.stop()
            if tasks:
                await asyncio.wait(tasks)

    def _begin(
        self, parts: Parts, tasks: set[asyncio.Task[None]], results: Results, target: str, cancel: api.Cancel
    ) -> bool:
        """Begin what can be begun; whether all is done."""

        async def work(item: Any) -> None:
            try:
                outcome = await self.run(parts.job(item), target, cancel)
            except Exception as error:  # whatever it is, the task that waits has to know
                outcome = error
            results.put_nowait((item, outcome))

        for item in parts.next_work():
            task = asyncio.create_task(work(item))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return parts.finished


async def _sleep(seconds: float, cancel: api.Cancel) -> None:
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(woken.set)

    with cancel.calling(wake), suppress(TimeoutError):
        await asyncio.wait_for(woken.wait(), seconds)
