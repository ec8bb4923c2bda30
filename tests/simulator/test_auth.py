"""Tokens, their life, and signatures that do not pass."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest


def login(sim, session, body):
    return session.post(f"{sim.url}/v3/auth/tokens", json=body, timeout=20)


def password_request(sim, *, scope=True, **wrong):
    user = {"name": sim.username, "password": sim.password, "domain": {"name": sim.domain_name}, **wrong}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if scope is not None:
        auth["scope"] = {"project": {"id": sim.project_id}} if scope is True else scope
    return {"auth": auth}


def signed_headers(sim, query, **changes):
    """Sign minimally, from the vendor's description of SDK-HMAC-SHA256."""
    stamp = (datetime.now(UTC) + changes.pop("ago", timedelta())).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": sim.url.removeprefix("http://"), "x-project-id": sim.project_id, "x-sdk-date": stamp}
    headers.update(changes)
    names = ";".join(sorted(headers))
    path = f"/v1/{sim.project_id}/digital-human-videos"
    wire = "&".join(f"{name}={quote(value, safe='~')}" for name, value in sorted(query.items()))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"GET\n{path}/\n{wire}\n{lines}\n{names}\n{hashlib.sha256(b'').hexdigest()}"
    text = f"SDK-HMAC-SHA256\n{stamp}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(sim.secret_key.encode(), text.encode(), "sha256").hexdigest()
    headers["Authorization"] = f"SDK-HMAC-SHA256 Access={sim.access_key}, SignedHeaders={names}, Signature={signature}"
    return headers


def error(answer):
    assert len(answer.headers["X-Request-Id"]) == 32
    return answer.status_code, answer.json()["error_code"]


def test_a_login_gives_a_token_that_lists(empty, session, ask):
    answer = login(empty, session, password_request(empty))
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert (token["issued_at"], token["expires_at"]) == ("2026-01-15T12:00:00.000000Z", "2026-01-16T12:00:00.000000Z")
    assert token["project"]["id"] == empty.project_id
    assert ask(empty, headers={"X-Auth-Token": answer.headers["X-Subject-Token"]}).status_code == 200


def test_a_login_may_name_the_project_by_its_region(empty, session):
    scope = {"project": {"name": "cn-north-4"}}
    assert (
        login(empty, session, password_request(empty, scope=scope)).json()["token"]["project"]["id"] == empty.project_id
    )


@pytest.mark.parametrize("wrong", [{"password": "x"}, {"name": "x"}, {"domain": {"name": "x"}}])
def test_a_login_with_anything_wrong_is_refused(empty, session, wrong):
    answer = login(empty, session, password_request(empty, **wrong))
    assert answer.status_code == 401
    assert "X-Subject-Token" not in answer.headers
    assert empty.password not in answer.text


def test_a_login_for_another_project_is_refused(empty, session):
    assert login(empty, session, password_request(empty, scope={"project": {"id": "0" * 32}})).status_code == 401


@pytest.mark.parametrize("body", [[], {}, {"auth": {"identity": None}}, {"auth": {"identity": {"methods": ["token"]}}}])
def test_a_login_that_makes_no_sense_is_a_bad_request(empty, session, body):
    assert login(empty, session, body).status_code == 400


def test_a_token_without_the_projects_scope_lists_nothing(empty, session, ask):
    token = login(empty, session, password_request(empty, scope=None)).headers["X-Subject-Token"]
    assert error(ask(empty, headers={"X-Auth-Token": token})) == (401, "MSS.00000001")


def test_a_token_lives_as_long_as_its_body_says(empty, ask):
    headers = {"X-Auth-Token": empty.token()}
    empty.clock.advance(86_399)
    assert ask(empty, headers=headers).status_code == 200
    empty.clock.advance(1)
    assert error(ask(empty, headers=headers)) == (401, "MSS.00000001")
    assert ask(empty).status_code == 200


def test_the_life_of_tokens_can_be_set(empty, session):
    empty.behavior.token_life_seconds = 60
    answer = login(empty, session, password_request(empty))
    assert answer.json()["token"]["expires_at"] == "2026-01-15T12:01:00.000000Z"


def test_revoked_tokens_are_refused_and_new_ones_are_not(empty, ask):
    headers = {"X-Auth-Token": empty.token()}
    empty.revoke_tokens()
    assert error(ask(empty, headers=headers)) == (401, "MSS.00000001")
    assert ask(empty).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": ""}, {"X-Auth-Token": "MIIS"}])
def test_a_request_without_good_credentials_is_unauthorized(empty, ask, headers):
    assert error(ask(empty, headers=headers)) == (401, "MSS.00000001")


def test_a_signature_covers_the_query(empty, ask):
    query = {"limit": "5", "asset_name": "a b,c"}
    assert ask(empty, headers=signed_headers(empty, query), **query).status_code == 200
    assert error(ask(empty, headers=signed_headers(empty, query), **{**query, "limit": "6"})) == (401, "APIGW.0301")


def test_a_signature_covers_the_headers_it_names(empty, ask):
    headers = signed_headers(empty, {}, **{"x-app-userid": "user-1"})
    assert ask(empty, headers=headers).status_code == 200
    assert error(ask(empty, headers={**headers, "x-app-userid": "user-2"})) == (401, "APIGW.0301")


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_signature_is_good_for_a_quarter_of_an_hour(empty, ask, minutes):
    assert ask(empty, headers=signed_headers(empty, {}, ago=timedelta(minutes=minutes))).status_code == 200


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_signature_too_far_from_the_servers_clock_is_refused(empty, ask, minutes):
    headers = signed_headers(empty, {}, ago=timedelta(minutes=minutes))
    assert error(ask(empty, headers=headers)) == (401, "APIGW.0301")


def test_a_server_whose_clock_is_off_refuses_signatures_until_the_client_follows(empty, ask):
    empty.clock.skew_seconds = 3600
    assert error(ask(empty, headers=signed_headers(empty, {}))) == (401, "APIGW.0301")
    assert ask(empty, headers=signed_headers(empty, {}, ago=timedelta(hours=1))).status_code == 200


@pytest.mark.parametrize(
    "broken",
    [
        {"Authorization": "Basic abc"},
        {"Authorization": "SDK-HMAC-SHA256 Access=A, SignedHeaders=host"},
        {"x-sdk-date": "yesterday"},
        {"x-sdk-date": "20261399T000000Z"},
        {"x-project-id": "0" * 32},
    ],
)
def test_a_signed_request_with_a_broken_header_is_refused(empty, ask, broken):
    assert error(ask(empty, headers={**signed_headers(empty, {}), **broken})) == (401, "APIGW.0301")


def test_a_signature_for_another_project_is_refused(empty, ask):
    headers = signed_headers(empty, {}, **{"x-project-id": "0" * 32})
    assert error(ask(empty, headers=headers)) == (401, "APIGW.0301")


def test_with_a_token_another_project_is_not_found(empty, ask):
    assert error(ask(empty, project_id="0" * 32)) == (404, "MSS.00000002")


def test_an_unknown_path_is_not_found_by_the_gateway(empty, session):
    for method, path in (("GET", "/"), ("GET", f"/v1/{empty.project_id}"), ("POST", "/v1/x/digital-human-videos")):
        answer = session.request(method, empty.url + path, timeout=20)
        assert error(answer) == (404, "APIGW.0101")


@pytest.mark.parametrize("length", [9_000, 60_000])
def test_tokens_are_as_long_as_real_ones(empty, session, ask, length):
    if length != 9_000:
        empty.behavior.token_length = length
    token = login(empty, session, password_request(empty)).headers["X-Subject-Token"]
    assert len(token) == length
    assert ask(empty, headers={"X-Auth-Token": token}).status_code == 200


def test_a_token_too_long_for_the_server_cannot_be_asked_for(empty):
    with pytest.raises(ValueError, match="60000"):
        empty.behavior.token_length = 60_001


def test_a_bad_token_may_be_refused_in_other_words(empty, session, ask):
    empty.behavior.merge({"unauthenticated_refusal": "400:MSS.00010008", "wrong_project_refusal": "400:MSS.00010009"})
    unscoped = login(empty, session, password_request(empty, scope=None)).headers["X-Subject-Token"]
    assert error(ask(empty, headers={"X-Auth-Token": "MIIS"})) == (400, "MSS.00010008")
    assert error(ask(empty, headers={"X-Auth-Token": unscoped})) == (400, "MSS.00010009")
    assert error(ask(empty, project_id="0" * 32)) == (400, "MSS.00010009")
    assert ask(empty).status_code == 200
