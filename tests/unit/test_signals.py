"""Ctrl-C and SIGTERM while dlt, which holds signals back, normalizes or loads."""

from __future__ import annotations

import signal

import pytest
from dlt.common.runtime.signals import intercepted_signals
from metastudio.destination.dlt_internals.running import deliver_signals


def load(done: list[str]) -> None:
    """Do what dlt's `pipeline.load()` does when a signal arrives at its end."""
    with intercepted_signals():
        signal.raise_signal(signal.SIGINT)
    done.append("loaded")


def test_a_signal_that_dlt_holds_back_is_delivered_when_it_has_ended() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), deliver_signals():
        load(done)
    assert done == ["loaded"]
