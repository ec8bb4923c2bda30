"""When the next request may be sent: pure, with times as plain numbers."""

from __future__ import annotations

import random

import pytest
from metastudio.api.rate_limiter import RateController


def test_the_pace_comes_back_when_others_leave_the_quota() -> None:
    controller = RateController(20)
    now = 0.0
    for _ in range(60):
        now = max(now, controller.next_at(now))
        controller.record_sent(now)
    controller.throttle(now, 1.0, now)
    assert controller.pace <= 10
    controller.next_at(now + 1.0)
    assert controller.pace <= 10  # not before the hold is over
    controller.next_at(now + 120.0)
    assert controller.pace == 20


def test_one_burst_of_429s_halves_the_pace_once_and_the_longest_hold_counts() -> None:
    controller = RateController(20)
    controller.throttle(100.0, 1.0, sent_at=99.9)
    controller.throttle(100.0, 3.0, sent_at=99.95)
    controller.throttle(100.0, 2.0, sent_at=99.97)
    assert controller.pace == 10
    assert controller.next_at(100.0) == 103.0
    controller.throttle(100.6, 1.0, sent_at=100.5)
    assert controller.pace == 5


def test_recovery_is_additive() -> None:
    controller, paces = RateController(20), []
    controller.throttle(0.0, 0.0, 0.0)  # nothing was accepted: the ceiling is the 10 that remain
    for second in range(4):
        controller.next_at(float(second))
        paces.append(controller.pace)
    assert paces == pytest.approx([10, 10 + 1 / 60, 10 + 2 / 60, 10 + 3 / 60])
    controller, paces = RateController(20), []
    for n in range(30):
        controller.record_sent(n / 20)
    controller.throttle(1.45, 0.0, 1.45)  # 19 were accepted in a second: fast up to 95 % of 19
    for second in range(4):
        controller.next_at(1.45 + second / 4)
        paces.append(controller.pace)
    assert paces == pytest.approx([10, 10.5, 11, 11.5])


def test_no_second_ever_sees_more_than_the_quota_whatever_the_demand() -> None:
    dice = random.Random(7)
    for quota in (1, 3, 10, 20):
        controller, now, sent = RateController(quota), 0.0, []
        for _ in range(2_000):
            now += dice.choice((0.0, 0.0, 0.0, 0.01, 0.3, 3.0)) * dice.random()
            now = max(now, controller.next_at(now))
            sent.append(controller.record_sent(now))
        assert all(b - a > 1.0 for a, b in zip(sent, sent[quota:], strict=False))


def test_a_fractional_pace_is_kept() -> None:
    controller, now = RateController(2.5), 0.0
    for _ in range(500):
        now = max(now, controller.next_at(now))
        controller.record_sent(now)
    assert 500 / now == pytest.approx(2.5 * 0.98, rel=0.01)
