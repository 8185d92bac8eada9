# SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
# SPDX-License-Identifier: MIT

"""Performs flows with threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import httpx

from oarepo_s3_client import api
from oarepo_s3_client.connections import AnswerTooLong, Reading, fault_of, request_options, response_of
from oarepo_s3_client.errors import Interrupted
from oarepo_s3_client.flows import Blocking, Effect, Flow, Lanes, Parts
from oarepo_s3_client.many import COMPLETIONS, ManyUploads
from oarepo_s3_client.servers.protocol import Request, Sleep

T = TypeVar("T")
Results = SimpleQueue[tuple[Any, Any] | None]


class ThreadRunner:
    """Runs flows in the thread of the caller, and moves parts in threads of its own.

    Args:
        options: of the client.
        http: asks the repository.
    """

    def __init__(self, options: api.Options, http: httpx.Client):
        self._options, self._http = options, http
        # One more thread than lanes, so that asking for URLs does not wait for a part to be through.
        self._pool = ThreadPoolExecutor(options.parallel + 1, thread_name_prefix="oarepo-s3")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def run(self, flow: Flow[T], target: str, cancel: api.Cancel) -> T:
        """Perform what a flow yields, and return what it returns."""
        try:
            effect = next(flow)
            while True:
                try:
                    result = self._perform(effect, target, cancel)
                except Exception as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            flow.close()

    def run_many(self, many: ManyUploads, target: str, cancel: api.Cancel) -> None:
        """Upload many files, in threads of their own: parts of big ones have to find free threads, too."""
        threads = self._options.parallel + 2 + COMPLETIONS  # beside the lanes: files are looked at, opened, completed
        with (
            ThreadPoolExecutor(threads, thread_name_prefix="oarepo-s3-file") as pool,
            cancel.calling(many.cancel.cancel),
        ):
            self._move(many, target, many.cancel, pool)

    def _perform(self, effect: Effect, target: str, cancel: api.Cancel) -> Any:
        if isinstance(effect, Lanes):
            return self._move(effect.parts, target, cancel, self._pool)
        if cancel.cancelled:
            raise Interrupted("Interrupted; what has arrived stays.")
        if isinstance(effect, Blocking):
            return effect.call()
        if isinstance(effect, Sleep):
            return cancel.wait(effect.seconds)
        return self._ask(effect, target)

    def _ask(self, request: Request, target: str) -> Any:
        try:
            with self._http.stream(**request_options(request, self._options, target)) as answer:
                reading = Reading(request, answer.status_code)
                if reading.wanted:
                    for block in answer.iter_bytes():
                        reading.take(block)
                return response_of(answer, bytes(reading.content))
        except (httpx.HTTPError, httpx.InvalidURL, AnswerTooLong) as error:
            return fault_of(error)

    def _move(self, parts: Parts, target: str, cancel: api.Cancel, pool: ThreadPoolExecutor) -> None:
        results: Results = SimpleQueue()

        def work(item: Any) -> None:
            try:
                outcome = self.run(parts.job(item), target, cancel)
            except BaseException as error:  # whatever it is, the thread that waits has to know
                outcome = error
            results.put((item, outcome))

        under_way: list[Any] = []
        try:
            with cancel.calling(lambda: results.put(None)):
                while not self._begin(parts, under_way, lambda item: pool.submit(work, item)):
                    try:
                        result = results.get(timeout=parts.due)
                    except Empty:
                        continue
                    if result is None:
                        parts.stop()
                    else:
                        under_way.remove(result[0])
                        parts.settle(*result)
        finally:
            if not parts.finished:
                parts.stop()
            while under_way:
                late = results.get()
                if late is not None:
                    under_way.remove(late[0])

    @staticmethod
    def _begin(parts: Parts, under_way: list[Any], begin: Callable[[Any], object]) -> bool:
        """Begin what can be begun; whether all is done."""
        for item in parts.next_work():
            under_way.append(item)
            begin(item)
        return parts.finished
