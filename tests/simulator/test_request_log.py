"""The log and the counters of list requests."""


def test_the_log_has_every_list_request(sim, ask):
    answer = ask(sim, limit=3, state="FAILED", headers={"X-Auth-Token": sim.token(), "X-App-UserId": "user-1"})
    ask(sim, limit=0)
    good, bad = sim.log
    assert (good.params, good.status, good.app_user_id) == ({"limit": "3", "state": "FAILED"}, 200, "user-1")
    assert good.request_id == answer.headers["X-Request-Id"]
    assert (bad.status, bad.at >= good.at) == (400, True)
    assert (sim.stats.requests, list(sim.stats.request_times)) == (2, [good.at, bad.at])
    assert sim.stats.served_per_second() == [1]
    sim.stats.reset()
    assert (sim.stats.requests, sim.stats.by_status, len(sim.stats.request_times)) == (0, {}, 0)
