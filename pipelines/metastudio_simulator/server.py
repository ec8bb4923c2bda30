"""The HTTP side: `/v1/{project_id}/digital-human-videos`, IAM's `/v3/auth/tokens` and the admin path, on one port.

Judges a list request in the gateway's order (credentials, quota, then the API's own project and parameters) and signs
the URLs of every answer anew. Knows the tenant only by its lists.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from base64 import urlsafe_b64encode
from collections import deque
from random import Random
from urllib.parse import parse_qs

import orjson
from aiohttp import web

from . import answers
from .admin import Admin
from .answers import Answer
from .auth import Auth, SignedRequest
from .clock import Clock
from .faults import BROKEN_CONNECTIONS, FaultSource, break_connection, make_faulty
from .query import InvalidParameterError, make_query
from .quota import Quota
from .stats import KEPT_REQUESTS, LoggedRequest, Stats
from .switches import Between, Switches
from .tenant import Tenant
from .times import SECOND

URL_LIFE_SECONDS = 86_400
LIST_SUFFIX = "/digital-human-videos"
TOKENS_PATH = "/v3/auth/tokens"


class _Response(web.Response):
    """A response that can do without the Date that aiohttp always adds."""

    async def _prepare_headers(self) -> None:
        dated = "Date" in self.headers
        await super()._prepare_headers()
        if not dated:
            self.headers.popall("Date", None)


class Server:
    """Answers every request of one simulated service."""

    def __init__(self, clock: Clock, switches: Switches, tenant: Tenant, auth: Auth, seed: int) -> None:
        self.clock = clock
        self.switches = switches
        self.tenant = tenant
        self.auth = auth
        self.stats = Stats()
        self.log: deque[LoggedRequest] = deque(maxlen=KEPT_REQUESTS)
        self.quota = Quota(switches)
        self.admin = Admin(self)
        self._list_faults = FaultSource(f"faults {seed}")
        self._iam_faults = FaultSource(f"iam faults {seed}")
        self._latency = Random(f"latency {seed}")
        self._request_ids = Random(f"request ids {seed}")
        self._url_key = self._request_ids.randbytes(32)
        self._url_access_key = f"{self._request_ids.getrandbits(100):020X}"[:20].encode()
        self._answers = 0
        self._between: Between | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request, whatever it is."""
        path = request.path
        if path.endswith(LIST_SUFFIX) and path.startswith("/v1/") and path.count("/") == 3 and request.method == "GET":
            return await self._handle_list(request)
        request_id = self._make_request_id()
        if path.startswith("/_admin/"):
            answer = self.admin.answer(request.method, path.removeprefix("/_admin/"), await request.read())
        elif path == TOKENS_PATH and request.method == "POST":
            return await self._handle_tokens(request, request_id)
        else:
            answer = answers.no_such_api()
        return self._make_response(answer, request_id)

    async def _handle_list(self, request: web.BaseRequest) -> web.StreamResponse:
        arrived, request_id = time.monotonic(), self._make_request_id()
        given = parse_qs(request.rel_url.raw_query_string, keep_blank_values=True)
        signed = SignedRequest(
            request.method, request.rel_url.raw_path, request.rel_url.raw_query_string, request.headers
        )
        await self._wait()
        fault: str | None = None
        with self.tenant.lock:
            answer = self.auth.judge(signed)
            if answer is None and not self.quota.admits(time.monotonic()):
                answer = answers.throttled(self.switches.retry_after)
            if answer is None:
                fault = self._list_faults.draw(self.switches.faults)
                whole = fault is None or fault in BROKEN_CONNECTIONS
                answer = self._list(request, given) if whole else make_faulty(fault or "", self.switches)
            broken = fault in BROKEN_CONNECTIONS
            logged = LoggedRequest(
                {name: ",".join(values) for name, values in given.items()},
                0 if broken else answer.status,
                arrived,
                request_id,
                fault,
                request.headers.get("X-App-UserId"),
            )
            self.log.append(logged)
            self.stats.count(logged)
        response = self._make_response(answer, request_id)
        if fault is not None and broken:
            return await break_connection(fault, request, response, self.switches.hang_seconds)
        return response

    def _list(self, request: web.BaseRequest, given: dict[str, list[str]]) -> Answer:
        """The API's own answer, credentials and quota apart."""
        if request.path != f"/v1/{self.tenant.project_id}{LIST_SUFFIX}":
            return answers.not_found()
        self._run_between()
        now_us, user = self.clock.now_us(), request.headers.get("X-App-UserId")
        try:
            query = make_query(given, app_user_id=user, now_us=now_us, switches=self.switches)
        except InvalidParameterError:
            return answers.invalid_parameter()
        count, rows = self.tenant.select(query)
        signature = self._sign_urls(now_us)
        body = b",".join([signature.join(parts) for parts in rows])
        return Answer(200, b'{"count":%d,"jobs":[%b]}' % (max(0, count + self.switches.count_offset), body))

    def _sign_urls(self, now_us: int) -> bytes:
        """What stands between a URL's path and its own end of the signature, new for every answer."""
        self._answers += 1
        signature = urlsafe_b64encode(hmac.digest(self._url_key, b"%d" % self._answers, "sha256")[:9])
        expires = now_us // SECOND + URL_LIFE_SECONDS
        return b"?AccessKeyId=%b&Expires=%d&Signature=%b" % (self._url_access_key, expires, signature)

    def _run_between(self) -> None:
        """Runs the change that was ordered between two requests; the first request after the order goes undisturbed."""
        between = self.switches.between_requests
        if between is not self._between:
            self._between = between
        elif callable(between):
            between(self.tenant)
        elif between is not None:
            self.tenant.change_some(**between)

    async def _handle_tokens(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        await self._wait()
        with self.tenant.lock:
            self.stats.token_requests += 1
            fault = self._iam_faults.draw(self.switches.iam_faults)
            whole = fault is None or fault in BROKEN_CONNECTIONS
            answer = self.auth.log_in(body) if whole else make_faulty(fault or "", self.switches)
        response = self._make_response(answer, request_id)
        if fault is not None and fault in BROKEN_CONNECTIONS:
            return await break_connection(fault, request, response, self.switches.hang_seconds)
        return response

    async def _wait(self) -> None:
        switches = self.switches
        seconds = switches.latency_seconds
        if switches.latency_jitter_seconds:
            seconds += self._latency.random() * switches.latency_jitter_seconds
        if seconds > 0:
            await asyncio.sleep(seconds)

    def _make_request_id(self) -> str:
        return f"{self._request_ids.getrandbits(128):032x}"

    def _make_response(self, answer: Answer, request_id: str) -> web.Response:
        headers = {
            "Content-Type": answer.content_type,
            "X-Request-Id": request_id,
            "Server": "api-gateway",
            **answer.headers,
        }
        dated = self.switches.date_header
        if dated:
            headers["Date"] = self.clock.date_header() if dated is True else str(dated)
        return _Response(status=answer.status, body=answer.body, headers=headers)
