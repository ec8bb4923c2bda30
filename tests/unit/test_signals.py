"""Ctrl-C and SIGTERM while dlt, which holds signals back, normalizes or loads."""

from __future__ import annotations

import signal

import pytest
from dlt.common.runtime.signals import intercepted_signals
from metastudio.destination.dlt_internals.running import deliver_signals


def test_a_signal_that_dlt_holds_back_is_delivered_when_it_has_ended() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), deliver_signals():
        with intercepted_signals():  # as in `pipeline.load()`
            signal.raise_signal(signal.SIGINT)
        done = True
    assert done
