"""Ratios and differences compare the runs of one round; failed runs do not count."""

import pytest

from bench.measurements import Measurements, Runs


def record(peer, step, cpu, failed=False):
    return {"peer": peer, "step": step, "cpu": cpu, "exit": int(failed)}


OURS, DLT = Runs("large", "s", "metastudio"), Runs("large", "s", "dlt")


def test_ratios_pair_the_runs_of_one_round_and_leave_failed_runs_out():
    measured = Measurements(
        {
            "large": [
                [record("metastudio", "s", 2.0), record("dlt", "s", 20.0)],
                [record("dlt", "s", 60.0), record("metastudio", "s", 3.0)],
                [record("metastudio", "s", 1.0), record("dlt", "s", 5.0)],
                [record("metastudio", "s", 9.0), record("dlt", "s", 1.0, failed=True)],
            ]
        }
    )
    ratio = measured.ratio(DLT, OURS, "cpu")
    assert (ratio.median, ratio.minimum, ratio.maximum) == (10.0, 5.0, 20.0)
    assert str(ratio) == "10.0 (5.00–20.0)"
    assert measured.median(DLT, "cpu") == 20.0
    assert len(measured.records(DLT)) == 4
    assert measured.ratio(Runs("large", "s", "singer"), OURS, "cpu") is None


@pytest.mark.parametrize(("failed", "difference"), [(False, 0.3), (True, 0.1)])
def test_several_pairs_of_one_round_keep_their_partners(failed, difference):
    records = [
        record("python", "import", 1.0),
        record("metastudio", "idle", 1.5, failed=failed),
        record("python", "import", 3.0),
        record("metastudio", "idle", 3.1),
    ]
    measured = Measurements({"startup": [records]})
    idle, imported = Runs("startup", "idle", "metastudio"), Runs("startup", "import", "python")
    assert measured.difference(idle, imported, "cpu").median == pytest.approx(difference)
