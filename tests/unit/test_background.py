"""The stream runs in a thread of its own, waits for its consumer, and ends with it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from metastudio.source.background import BackgroundStream


def test_items_come_in_order_and_the_stream_waits_for_resume():
    produced = []

    async def work(background):
        for number in range(3):
            produced.append(number)
            await background.emit(number)

    seen = []
    for item in BackgroundStream(work):
        seen.append((item, list(produced)))

    assert seen == [(0, [0]), (1, [0, 1]), (2, [0, 1, 2])]


def test_questions_are_answered_in_the_consumers_thread_after_what_came_before():
    done = []

    async def work(background):
        await background.emit("first")
        answer = await background.call_in_consumer(
            lambda: (threading.current_thread() is threading.main_thread(), list(done))
        )
        await background.emit(answer)

    answers = []
    for item in BackgroundStream(work):
        answers.append(item)
        done.append(item)

    assert answers == ["first", (True, ["first"])]


def test_an_error_of_the_stream_is_raised_where_it_is_iterated():
    async def work(background):
        await background.emit(1)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        list(BackgroundStream(work))


def test_an_error_of_an_answer_ends_the_stream_too():
    def fail():
        raise LookupError("no table")

    async def work(background):
        await background.call_in_consumer(fail)

    with pytest.raises(LookupError, match="no table"):
        list(BackgroundStream(work))


def test_a_consumer_that_stops_ends_the_stream_and_its_thread():
    ended = threading.Event()

    async def work(background):
        try:
            await background.emit(1)
            await asyncio.Event().wait()
        finally:
            ended.set()

    before = threading.active_count()
    items = iter(BackgroundStream(work))
    assert next(items) == 1
    items.close()

    assert ended.is_set()
    assert threading.active_count() == before
