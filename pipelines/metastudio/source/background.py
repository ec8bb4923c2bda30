"""Runs asynchronous work in a background thread and hands its items to a synchronous loop.

The work continues with the next item only when the consumer lets it, which bounds what is read
ahead. The work's questions are answered in the consumer's thread, between two items, so that no
other thread ever touches what the consumer owns.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
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
    """The items that work emits, to be iterated.

    The work goes on to its next item once `resume` is called, or the next item is asked for.
    """

    def __init__(self, work: Callable[[BackgroundStream[T]], Awaitable[None]]) -> None:
        self._work = work
        self._items: queue.SimpleQueue[T | _Question | BaseException | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop
        self._may_go_on = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="metastudio-extraction", daemon=True
        )

    async def emit(self, item: T) -> None:
        """Hand an item to the consumer, and wait until it is time for the next one."""
        self._may_go_on.clear()
        self._items.put(item)
        await self._may_go_on.wait()

    async def call_in_consumer(self, answer: Callable[[], A]) -> A:
        """Call `answer` in the consumer's thread, after all earlier items; return its result."""
        future: asyncio.Future[A] = self._loop.create_future()
        self._items.put(_Question(answer, future))
        return await future

    def resume(self) -> None:
        """Let the work continue with its next item."""
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

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._start())
        except asyncio.CancelledError:
            self._items.put(None)
        except BaseException as error:
            self._items.put(error)
        else:
            self._items.put(None)

    async def _start(self) -> None:
        self._task = asyncio.current_task()
        if not self._stopping:
            await self._work(self)

    def _stop(self) -> None:
        """Cancel the work and wait until its connections are closed."""
        self._stopping = True
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join()
