"""A small tenant at a frozen clock, and the ways to ask for its jobs: the SDK, and plain HTTP."""

import pytest
import requests
from metastudio_simulator import Simulator

NOW = "2026-01-15T12:00:00Z"
EVER = "2000-01-01T00:00:00Z"


@pytest.fixture
def sim():
    with Simulator(jobs=300, days=60, seed=7, now=NOW) as running:
        yield running


@pytest.fixture
def empty():
    with Simulator(jobs=0, days=60, seed=7, now=NOW) as running:
        yield running


@pytest.fixture(scope="session")
def session():
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.fixture(scope="session")
def ask(session):
    """Ask for a page with a token: `ask(sim, limit=5)` is a response."""

    def ask(sim, headers=None, project_id=None, **params):
        headers = {"X-Auth-Token": sim.token()} if headers is None else headers
        url = f"{sim.url}/v1/{project_id or sim.project_id}/digital-human-videos"
        return session.get(url, params=params, headers=headers, timeout=20)

    return ask


@pytest.fixture(scope="session")
def jobs_of(ask):
    """Return the rows of a page of all jobs ever created, with `limit` 100."""

    def jobs_of(sim, **params):
        answer = ask(sim, **{"create_since": EVER, "limit": 100, **params})
        assert answer.status_code == 200, answer.text
        return answer.json()["jobs"]

    return jobs_of


@pytest.fixture(scope="session")
def admin(session):
    """Call the admin path. A body makes it a POST."""

    def call(sim, name, body=None):
        method = "GET" if body is None else "POST"
        answer = session.request(method, f"{sim.url}/_admin/{name}", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    return call


@pytest.fixture
def sdk():
    """Make the vendor's client for a simulator, signing with AK/SK, default HttpConfig."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkmetastudio.v1 import (
        MetaStudioClient,
    )  # the import takes a second, which other tests need not pay

    clients = []

    def make(sim, *, access_key=None, secret_key=None, project_id=None, security_token=None):
        credentials = BasicCredentials(
            access_key or sim.access_key, secret_key or sim.secret_key, project_id or sim.project_id
        )
        if security_token is not None:
            credentials.with_security_token(security_token)
        client = MetaStudioClient.new_builder().with_credentials(credentials).with_endpoint(sim.url).build()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.get_http_client().close()
        client.get_http_client().executor.shutdown()
