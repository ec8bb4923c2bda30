"""The stream runs in a thread of its own, waits for its consumer, and ends with it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from metastudio.source.background import BackgroundStream


def test_items_come_in_order_and_the_stream_waits_for_resume():
    produced = []

    async def stream(_background):
        for number in range(3):
            produced.append(number)
            yield number

    seen = []
    for item in BackgroundStream(stream):
        seen.append((item, list(produced)))

    assert seen == [(0, [0]), (1, [0, 1]), (2, [0, 1, 2])]


def test_questions_are_answered_in_the_consumers_thread_after_what_came_before():
    done = []

    async def stream(background):
        yield "first"
        yield await background.call_in_consumer(
            lambda: (threading.current_thread() is threading.main_thread(), list(done))
        )

    answers = []
    for item in BackgroundStream(stream):
        answers.append(item)
        done.append(item)

    assert answers == ["first", (True, ["first"])]


def test_an_error_of_the_stream_is_raised_where_it_is_iterated():
    async def stream(_background):
        yield 1
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        list(BackgroundStream(stream))


def test_an_error_of_an_answer_ends_the_stream_too():
    def fail():
        raise LookupError("no table")

    async def stream(background):
        yield await background.call_in_consumer(fail)

    with pytest.raises(LookupError, match="no table"):
        list(BackgroundStream(stream))


def test_a_consumer_that_stops_ends_the_stream_and_its_thread():
    ended = threading.Event()

    async def stream(_background):
        try:
            yield 1
            await asyncio.Event().wait()
            yield 2
        finally:
            ended.set()

    before = threading.active_count()
    items = iter(BackgroundStream(stream))
    assert next(items) == 1
    items.close()

    assert ended.is_set()
    assert threading.active_count() == before
