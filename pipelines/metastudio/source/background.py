"""Runs an asynchronous stream in a background thread and hands its items to a synchronous loop.

The stream works on the next item only when the consumer lets it, which bounds what is read ahead.
The stream's questions are answered in the consumer's thread, between two items, so that no other
thread ever touches what the consumer owns.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from metastudio.destination.dlt_internals.running import defer_signals

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class _Question:
    answer: Callable[[], Any]
    future: asyncio.Future[Any]


class BackgroundStream(Generic[T]):
    """The items of a stream, to be iterated.

    The stream works on its next item once `resume` is called, or the next item is asked for.
    """

    def __init__(self, stream: Callable[[BackgroundStream[T]], AsyncIterator[T]]) -> None:
        self._stream = stream
        self._items: queue.SimpleQueue[T | _Question | BaseException | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop
        self._may_go_on = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._work,), name="metastudio-extraction", daemon=True
        )

    async def call_in_consumer(self, answer: Callable[[], A]) -> A:
        """Call `answer` in the consumer's thread, after all earlier items; return its result."""
        future: asyncio.Future[A] = self._loop.create_future()
        self._items.put(_Question(answer, future))
        return await future

    def resume(self) -> None:
        """Let the stream work on its next item."""
        with suppress(RuntimeError):  # the loop has ended: there is nothing left to do
            self._loop.call_soon_threadsafe(self._may_go_on.set)

    def __iter__(self) -> Iterator[T]:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        try:
            while (item := self._items.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, _Question):
                    self._answer(item)
                    continue
                yield item
                self.resume()
        finally:
            self._stop()

    def _answer(self, question: _Question) -> None:
        try:
            with defer_signals():
                result = question.answer()
        except BaseException:
            self._loop.call_soon_threadsafe(question.future.cancel)
            raise
        self._loop.call_soon_threadsafe(question.future.set_result, result)

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._consume())
        except asyncio.CancelledError:
            self._items.put(None)
        except BaseException as error:
            self._items.put(error)
        else:
            self._items.put(None)

    async def _consume(self) -> None:
        self._task = asyncio.current_task()
        if self._stopping:
            return
        async for item in self._stream(self):
            self._may_go_on.clear()
            self._items.put(item)
            await self._may_go_on.wait()

    def _stop(self) -> None:
        """Cancel the stream and wait until its connections are closed."""
        self._stopping = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join()
