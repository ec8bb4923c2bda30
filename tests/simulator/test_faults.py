"""Every way an answer can go wrong, as it arrives at a socket."""

import json
import socket
import threading
import time

import pytest
from metastudio_simulator import FAULTS, Simulator


@pytest.fixture
def broken(empty):
    """Send one list request over a bare socket. Return all that comes back, and the final error."""
    empty.tenant.create(20)

    def send(kind, *, wait=20.0):
        empty.behavior.faults = [kind]
        with socket.create_connection(("127.0.0.1", int(empty.url.rsplit(":", 1)[1])), timeout=wait) as line:
            path = f"/v1/{empty.project_id}/digital-human-videos"
            line.sendall(
                f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: {empty.token()}\r\n\r\n".encode()
            )
            received = b""
            try:
                while chunk := line.recv(65536):
                    received += chunk
            except OSError as error:
                return received, type(error)
            return received, None

    return send


def split(received):
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "429", "500"])
def test_an_error_status_comes_as_the_api_words_it(broken, status):
    code = {
        "400": b"MSS.00000003",
        "401": b"MSS.00000001",
        "403": b"APIGW.0302",
        "404": b"MSS.00000002",
        "429": b"APIGW.0308",
        "500": b"MSS.00000004",
    }[status]
    got, headers, body = split(broken(status)[0])
    assert got == int(status)
    assert b'"error_code":"' + code in body
    assert headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("403:MSS.00022009", 403, b"MSS.00022009"),
        ("400:MSS.00010008", 400, b"MSS.00010008"),
        ("401:APIG.0301", 401, b"APIG.0301"),
        ("200:MSS.00000004", 200, b"MSS.00000004"),
        ("error_body", 200, b"MSS.00000004"),
    ],
)
def test_a_fault_may_name_its_status_and_code(broken, kind, status, code):
    got, _, body = split(broken(kind)[0])
    assert got == status
    assert body.startswith(b'{"error_code":"' + code + b'","error_msg":"')


def test_a_429_may_come_without_retry_after(broken):
    assert "Retry-After" not in split(broken("429")[0])[1]


def test_a_page_may_have_its_json_broken(broken):
    status, headers, body = split(broken("broken_json")[0])
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    assert body.startswith(b'{"count":20,"jobs":[{"job_id":"')
    with pytest.raises(ValueError, match="control character"):
        json.loads(body)


@pytest.mark.parametrize(("kind", "status"), [("414", 414), ("502", 502), ("503", 503), ("504", 504), ("html", 502)])
def test_a_gateway_answers_with_a_page(broken, kind, status):
    got, headers, body = split(broken(kind)[0])
    assert (got, headers["Content-Type"]) == (status, "text/html")
    assert body.startswith(b"<html>")


def test_a_reset_connection_gives_nothing_and_an_error(broken):
    assert broken("reset") == (b"", ConnectionResetError)


def test_a_truncated_body_ends_before_the_length_it_promised(broken):
    received, error = broken("truncated")
    status, headers, body = split(received)
    assert (status, error) == (200, None)
    assert 0 < len(body) < int(headers["Content-Length"])
    assert body.startswith(b'{"count":20,"jobs":[{')


def test_a_hanging_request_gets_nothing(broken):
    assert broken("hang", wait=0.1) == (b"", TimeoutError)


def test_a_hanging_connection_is_closed_at_last(broken, empty):
    empty.behavior.hang_seconds = 0.01
    assert broken("hang") == (b"", None)


def test_a_stalled_body_begins_and_does_not_go_on(broken):
    received, error = broken("stall", wait=2)
    assert error is TimeoutError
    status, headers, body = split(received)
    assert status == 200
    assert 0 < len(body) < int(headers["Content-Length"])


@pytest.mark.parametrize(
    ("kind", "start"), [("garbage", b'{"count": 3, "jobs": [\xff'), ("empty", b""), ("not_object", b"[")]
)
def test_nonsense_comes_with_status_200(broken, kind, start):
    status, headers, body = split(broken(kind)[0])
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert body.startswith(start)
    assert int(headers["Content-Length"]) == len(body)


def test_a_script_is_used_up_one_entry_a_request(empty, ask):
    empty.behavior.faults = ["500", None, "503"]
    assert [ask(empty).status_code for _ in range(5)] == [500, 200, 503, 200, 200]
    assert [logged.fault for logged in empty.log] == ["500", None, "503", None, None]


def test_a_stray_401_may_stand_between_two_good_answers(empty, ask):
    empty.behavior.faults = [None, "401"]
    assert [ask(empty).status_code for _ in range(3)] == [200, 401, 200]


def test_the_service_may_be_unavailable_for_a_while(empty, ask, session):
    empty.behavior.unavailable_seconds = 1
    began = time.monotonic()
    assert ask(empty).headers["Content-Type"] == "text/html"
    assert session.post(f"{empty.url}/v3/auth/tokens", json={}, timeout=20).status_code == 503
    statuses = [503]
    while statuses[-1] == 503:
        statuses.append(ask(empty).status_code)
    assert statuses[-1] == 200
    assert time.monotonic() - began >= 1
    assert empty.behavior.unavailable_seconds == 0


def test_probabilities_are_drawn_by_seed(ask):
    def statuses(seed):
        with Simulator(jobs=0, seed=seed) as sim:
            sim.behavior.faults = {"500": 0.3, "429": 0.2}
            return [ask(sim).status_code for _ in range(60)]

    first = statuses(1)
    assert first == statuses(1)
    assert first != statuses(2)
    assert 8 <= first.count(500) <= 30
    assert 3 <= first.count(429) <= 22


def test_iam_has_faults_of_its_own(empty, session, ask):
    empty.behavior.iam_faults = ["503"]
    assert session.post(f"{empty.url}/v3/auth/tokens", json={}, timeout=20).status_code == 503
    assert session.post(f"{empty.url}/v3/auth/tokens", json={}, timeout=20).status_code == 400
    assert ask(empty).status_code == 200
    assert empty.stats.token_requests == 2


def test_a_broken_request_is_counted_with_status_0(broken, empty):
    for kind in ("reset", "truncated"):
        broken(kind)
    assert (empty.stats.requests, empty.stats.served, empty.stats.by_status) == (2, 0, {0: 2})


def test_the_server_ends_at_once_while_requests_hang(sim, ask):
    sim.behavior.faults = ["hang"]
    asked = threading.Event()

    def hang():
        with socket.create_connection(("127.0.0.1", int(sim.url.rsplit(":", 1)[1])), timeout=20) as line:
            path = f"/v1/{sim.project_id}/digital-human-videos"
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {sim.token()}\r\n\r\n".encode())
            asked.set()
            line.recv(1)

    hanging = threading.Thread(target=hang)
    hanging.start()
    asked.wait(20)
    assert ask(sim).status_code == 200
    sim.stop()
    hanging.join(5)
    assert not hanging.is_alive()


def test_a_fault_that_does_not_exist_cannot_be_ordered(empty):
    with pytest.raises(ValueError, match="explode"):
        empty.behavior.faults = ["explode"]
    assert {"reset", "hang", "500"} <= FAULTS
