"""Ctrl-C and SIGTERM while a library runs that delays, drops or changes signals."""

from __future__ import annotations

import signal

import pytest
from dlt.common.runtime.signals import intercepted_signals
from metastudio.destination.dlt_internals.running import defer_signals
from metastudio.error_mapping import to_metastudio_error
from metastudio.errors import TerminatedError, find_exit_code


def load(done: list[str]) -> None:
    """Do what dlt's `pipeline.load()` does when a signal arrives at its end."""
    with intercepted_signals():
        signal.raise_signal(signal.SIGINT)
    done.append("loaded")


def test_a_signal_that_dlt_holds_back_is_delivered_when_it_has_ended() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), defer_signals():
        load(done)
    assert done == ["loaded"]


def test_an_error_that_a_library_made_of_a_signal_is_that_signal() -> None:
    error = RuntimeError("Query interrupted")
    error.__cause__ = TerminatedError()

    with pytest.raises(TerminatedError) as raised:
        to_metastudio_error(error)
    assert find_exit_code(raised.value) == 143
