"""The quota, at given instants and over HTTP."""

import pytest
from metastudio_simulator import Behavior, Simulator
from metastudio_simulator.http.rate_limit import RateLimit


def served(instants, **behavior):
    limit = RateLimit(Behavior(**behavior))
    return [limit.admit(1000 + at) for at in instants]


def test_a_sliding_quota_never_serves_more_in_any_second():
    instants = [0, 0.1, 0.2, 0.3, 0.99, 1.0, 1.05, 1.11]
    assert served(instants, quota_per_second=3) == [True, True, True, False, False, True, False, True]


def test_refused_requests_do_not_count():
    assert served([0, 0.5, 0.6, 0.7, 1.0], quota_per_second=1) == [True, False, False, False, True]


def test_a_fixed_quota_starts_again_with_each_second():
    instants = [0.8, 0.9, 0.95, 1.0, 1.1, 1.2]
    assert served(instants, quota_per_second=2, quota_kind="fixed") == [True, True, False, True, True, False]


def test_a_bucket_refills_evenly():
    instants = [0, 0, 0, 0.5, 0.6, 1.0]
    assert served(instants, quota_per_second=2, quota_kind="bucket") == [True, True, False, True, False, True]


def test_a_quota_below_one_serves_one_request_in_its_span():
    assert served([0, 1, 1.9, 2.0, 3], quota_per_second=0.5) == [True, False, False, True, False]


def test_no_quota_serves_everything():
    assert all(served([0] * 1000))


@pytest.mark.parametrize(("given", "header"), [(None, None), (2, "2"), (0.5, "0.5"), ("soon", "soon")])
def test_past_the_quota_the_gateway_answers_429(given, header, ask):
    with Simulator(jobs=5) as sim:
        sim.behavior.quota_per_second = 0.01
        sim.behavior.retry_after = given
        assert ask(sim).status_code == 200
        refused = ask(sim)
        assert (refused.status_code, refused.json()["error_code"]) == (429, "APIGW.0308")
        assert refused.headers.get("Retry-After") == header
        assert len(refused.headers["X-Request-Id"]) == 32
        assert (sim.stats.requests, sim.stats.served, sim.stats.throttled) == (2, 1, 1)
        assert sim.stats.by_status == {200: 1, 429: 1}


def test_bad_requests_use_the_quota_and_refused_credentials_do_not(ask):
    with Simulator(jobs=5) as sim:
        sim.behavior.quota_per_second = 0.01
        assert ask(sim, headers={}).status_code == 401
        assert ask(sim, limit=0).status_code == 400
        assert ask(sim).status_code == 429
