"""A lease excludes other runs while its holder lives, and only for a short time afterwards."""

from __future__ import annotations

import json
import os
import socket
import threading

import pytest
from fsspec.implementations.local import LocalFileSystem
from metastudio.destination.lease import EXPIRE_SECONDS, POLL_SECONDS, RELY_SECONDS, RENEW_SECONDS, Lease
from metastudio.errors import BusyError, ConfigurationError, UnavailableError


class Machine:
    """A clock, and the actions of others while somebody waits."""

    def __init__(self, now=0.0):
        self.started = self.now = now
        self.meanwhile = []

    def read(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds
        assert self.now - self.started < 600, "this waits for ever"
        for act in self.meanwhile:
            act()


@pytest.fixture
def make(tmp_path):
    def make_lease(machine, *keys, filesystem=None):
        folder = str(tmp_path / "lake" / "locks")
        filesystem = filesystem or LocalFileSystem()
        return Lease(filesystem, folder, keys or ("pipeline",), clock=machine.read, wait=machine.wait)

    return make_lease


def list_claims(tmp_path):
    return sorted((tmp_path / "lake" / "locks").glob("*"))


def test_a_second_run_is_busy_as_soon_as_the_first_one_renews(make):
    holder, other = Machine(), Machine(now=5_000_000)
    first = make(holder)
    first.acquire()
    other.meanwhile = [lambda: other.now - 5_000_000 >= RENEW_SECONDS and first.renew()]
    with pytest.raises(BusyError, match=rf"process {os.getpid()} on {socket.gethostname()}"):
        make(other).acquire()

    assert other.now - 5_000_000 <= RENEW_SECONDS + POLL_SECONDS
    first.require()


@pytest.mark.parametrize("offset", [-86_400, 0, 86_400])
def test_a_killed_run_is_taken_over_after_a_minute_whatever_the_clocks_say(make, tmp_path, offset):
    make(Machine()).acquire()
    other = Machine(now=offset)
    second = make(other)
    second.acquire()

    assert EXPIRE_SECONDS <= other.now - offset <= EXPIRE_SECONDS + POLL_SECONDS
    assert len(list_claims(tmp_path)) == 1
    second.require()


def test_who_was_taken_over_notices_and_changes_nothing_for_the_new_holder(make, tmp_path):
    slow, other = Machine(), Machine()
    first, second = make(slow), make(other)
    first.acquire()
    second.acquire()
    claims = list_claims(tmp_path)
    first.renew()  # a thread of a process that was stopped goes on
    with pytest.raises(UnavailableError):
        first.require()
    first.release()

    assert list_claims(tmp_path) == claims
    second.require()


def test_a_run_does_not_rely_on_a_claim_that_others_may_remove(make):
    machine = Machine()
    lease = make(machine)
    lease.acquire()
    machine.now += RELY_SECONDS + 1  # the machine was suspended
    with pytest.raises(UnavailableError):
        lease.require()
    assert RELY_SECONDS + RENEW_SECONDS < EXPIRE_SECONDS


def test_claims_exclude_each_other_by_any_key_they_share(make):
    machine = Machine()
    held = make(machine, "data-team_a", "data-tenant1")
    held.acquire()
    make(machine, "data-team_b", "data-tenant2").acquire()
    make(machine, "other-team_a", "other-tenant1").acquire()
    machine.meanwhile = [held.renew]
    for keys in (("data-team_a", "data-tenant3"), ("data-team_c", "data-tenant1")):
        with pytest.raises(BusyError):
            make(machine, *keys).acquire()


def test_of_two_runs_that_claim_at_the_same_instant_one_goes_on(make):
    meeting, machine = threading.Barrier(2), Machine()

    class Meeting(LocalFileSystem):
        """Lets neither run look before the other one has written, too."""

        cachable = False
        has_met = False

        def pipe_file(self, *args, **kwargs):
            super().pipe_file(*args, **kwargs)
            if not self.has_met:
                self.has_met = True
                meeting.wait(60)

    leases = [make(machine, filesystem=Meeting()) for _ in range(2)]
    machine.meanwhile = [lease.renew for lease in leases]
    outcomes = []

    def run(lease):
        try:
            lease.acquire()
            outcomes.append("held")
        except BusyError:
            outcomes.append("busy")

    threads = [threading.Thread(target=run, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy", "held"]


def test_a_run_outlives_a_store_that_fails_for_a_while_and_ends_if_it_lasts(make):
    machine, failing = Machine(), LocalFileSystem(skip_instance_cache=True)
    lease = make(machine, filesystem=failing)
    lease.acquire()

    def fail(*args, **kwargs):
        raise OSError("Service Unavailable")

    failing.pipe_file = fail
    machine.now += RENEW_SECONDS
    lease.require()
    machine.now += RELY_SECONDS
    with pytest.raises(UnavailableError, match="lost"):
        lease.require()


def test_a_claim_that_somebody_removed_is_lost_and_does_not_come_back(make, tmp_path):
    lease = make(Machine())
    lease.acquire()
    for claim in list_claims(tmp_path):
        claim.unlink()
    with pytest.raises(UnavailableError):
        lease.require()
    assert list_claims(tmp_path) == []


def test_the_claim_names_the_process_only_and_nothing_stays_behind(make, tmp_path):
    lease = make(Machine())
    with lease.hold():
        (claim,) = list_claims(tmp_path)
        content = json.loads(claim.read_text())
    assert content == {"host": socket.gethostname(), "process": os.getpid(), "renewals": 1}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(make, tmp_path):
    (tmp_path / "lake").mkdir()
    with make(Machine()).hold():
        pass
    assert list((tmp_path / "lake").iterdir()) == []


def test_a_claim_that_cannot_be_removed_is_named_instead_of_waited_for(make, tmp_path):
    make(Machine()).acquire()
    refusing = LocalFileSystem(skip_instance_cache=True)

    def refuse(path):
        raise PermissionError("Access Denied")

    refusing.rm_file = refuse
    with pytest.raises(ConfigurationError, match="PermissionError"):
        make(Machine(), filesystem=refusing).acquire()


def test_a_half_written_claim_does_not_delay_others_any_longer(make, tmp_path):
    make(Machine()).acquire()
    (claim,) = list_claims(tmp_path)
    claim.write_bytes(b"")
    other = Machine()
    make(other).acquire()
    assert other.now <= EXPIRE_SECONDS + POLL_SECONDS


def test_a_claim_that_is_still_being_written_is_not_a_renewal(make, tmp_path):
    first, machine = make(Machine()), Machine()
    first.acquire()
    (claim,) = list_claims(tmp_path)
    content = claim.read_bytes()
    claim.write_bytes(b"")
    steps = iter([lambda: claim.write_bytes(content), first.release])
    machine.meanwhile = [lambda: next(steps)()]
    make(machine).acquire()
    assert machine.now <= 3 * POLL_SECONDS
