"""The service on one port: lists, service configuration, IAM's tokens, an injected admin path.

It checks a list request in the gateway's order: credentials, quota, then the API's own project and
parameters. It signs the URLs again for every answer. It knows the tenant only by its lists.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final
from urllib.parse import parse_qs

import orjson
from aiohttp import web

from metastudio_simulator.behavior import Behavior, BetweenRequests
from metastudio_simulator.clock import Clock
from metastudio_simulator.http.auth import Auth, SignedRequest
from metastudio_simulator.http.encoding import encode_body
from metastudio_simulator.http.faults import (
    BROKEN_CONNECTIONS,
    FaultSource,
    Outage,
    break_connection,
    break_json,
    make_faulty,
    needs_healthy_response,
)
from metastudio_simulator.http.query import RefusedQueryError, make_query
from metastudio_simulator.http.rate_limit import RateLimit
from metastudio_simulator.http.request_log import KEPT_REQUESTS, LoggedRequest, RequestStats
from metastudio_simulator.http.responses import (
    Response,
    make_error,
    make_gateway_page,
    make_json,
    make_no_such_api,
    make_throttled,
)
from metastudio_simulator.tenant.tenant import Page, Tenant
from metastudio_simulator.timestamps import SECOND

URL_LIFE_SECONDS: Final = 86_400
MAX_HEADER_BYTES: Final = 65_536
LIST_SUFFIX: Final = "/digital-human-videos"
CONFIG_PATH: Final = re.compile(r"/v1/([^/]*)/tenants/service-configs")
TOKENS_PATH: Final = "/v3/auth/tokens"
ADMIN_PATH: Final = "/_admin/"

_EMPTY_PAGES: Final = {"no_jobs": b'{"count":%d}', "null_jobs": b'{"count":%d,"jobs":null}'}

Control = Callable[[str, str, bytes], Response]
"""Answers an admin request: method, name, body."""


class _DatelessResponse(web.Response):
    """A response that can do without the Date that aiohttp always adds."""

    async def _prepare_headers(self) -> None:
        dated = "Date" in self.headers
        await super()._prepare_headers()
        if not dated:
            self.headers.popall("Date", None)


class Server:
    """The HTTP side of one simulated service."""

    def __init__(
        self, clock: Clock, behavior: Behavior, tenant: Tenant, auth: Auth, control: Control, seed: int
    ) -> None:
        self.clock = clock
        self.behavior = behavior
        self.tenant = tenant
        self.auth = auth
        self.stats = RequestStats()
        self.log: deque[LoggedRequest] = deque(maxlen=KEPT_REQUESTS)
        self._control = control
        self._rate_limit = RateLimit(behavior)
        self._outage = Outage(behavior)
        self._list_faults = FaultSource(f"faults {seed}")
        self._iam_faults = FaultSource(f"iam faults {seed}")
        self._latency = Random(f"latency {seed}")
        self._request_ids = Random(f"request ids {seed}")
        self._url_key = self._request_ids.randbytes(32)
        self._url_access_key = f"{self._request_ids.getrandbits(100):020X}"[:20].encode()
        self._answers = 0
        self._between: BetweenRequests | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request of any kind."""
        path = request.path
        if path.endswith(LIST_SUFFIX) and path.startswith("/v1/") and path.count("/") == 3 and request.method == "GET":
            return await self._handle_list(request)
        request_id = self._make_request_id()
        if path.startswith(ADMIN_PATH):
            response = self._control(request.method, path.removeprefix(ADMIN_PATH), await request.read())
        elif self._outage.is_on(time.monotonic()):
            response = make_gateway_page(503)
        elif path == TOKENS_PATH and request.method == "POST":
            return await self._handle_tokens(request, request_id)
        elif (found := CONFIG_PATH.fullmatch(path)) and request.method == "GET":
            response = self._answer_config(request, found.group(1))
        else:
            response = make_no_such_api()
        return self._finish(response, request_id)

    async def _handle_list(self, request: web.BaseRequest) -> web.StreamResponse:
        arrived, request_id = time.monotonic(), self._make_request_id()
        given = parse_qs(request.rel_url.raw_query_string, keep_blank_values=True)
        await self._wait()
        with self.tenant.lock:
            response, fault = self._answer_list(request, given)
            broken = fault in BROKEN_CONNECTIONS
            logged = LoggedRequest(
                {name: ",".join(values) for name, values in given.items()},
                0 if broken else response.status,
                arrived,
                request_id,
                fault,
                request.headers.get("X-App-UserId"),
            )
            self.log.append(logged)
            self.stats.count(logged)
            finished = self._finish(response, request_id)
            if self.behavior.date_skew_answers:
                self.behavior.date_skew_answers -= 1
        if fault is not None and broken:
            return await break_connection(fault, request, finished, self.behavior.hang_seconds)
        return finished

    def _answer_list(self, request: web.BaseRequest, given: dict[str, list[str]]) -> tuple[Response, str | None]:
        """Return the response to a list request, and the fault that it is or that affects it."""
        behavior, target = self.behavior, request.rel_url
        if self._outage.is_on(time.monotonic()):
            return make_gateway_page(503), "503"
        if behavior.max_url_bytes is not None and len(request.raw_path) > behavior.max_url_bytes:
            return make_gateway_page(414), "414"
        signed = SignedRequest(request.method, target.raw_path, target.raw_query_string, request.headers)
        if (refusal := self.auth.refuse(signed)) is not None:
            return refusal, None
        if not self._rate_limit.admit(time.monotonic()):
            return make_throttled(behavior.retry_after), None
        fault = self._list_faults.draw(behavior.faults)
        if not needs_healthy_response(fault):
            return make_faulty(fault or "", behavior), fault
        response = Response(200, b"")
        try:
            response = self._list(request, given)
        except RefusedQueryError as refused:
            fault = fault or refused.fault
            if not needs_healthy_response(refused.fault):
                return make_faulty(refused.fault, behavior), fault
        if fault == "broken_json":
            break_json(response)
        encode_body(response, behavior.body_charset, behavior.content_encoding)
        return response, fault

    def _list(self, request: web.BaseRequest, given: dict[str, list[str]]) -> Response:
        """Return the API's own answer, after the checks of credentials and quota.

        Raises:
            RefusedQueryError: a parameter is refused.
        """
        if request.path != f"/v1/{self.tenant.project_id}{LIST_SUFFIX}":
            return make_faulty(self.behavior.wrong_project_refusal or "404", self.behavior)
        self._run_between()
        behavior, now_us = self.behavior, self.clock.now_us()
        user = request.headers.get("X-App-UserId")
        query = make_query(given, app_user_id=user, now_us=now_us, behavior=behavior)
        ids = query.filters.job_ids
        if behavior.unknown_job_ids_refusal and ids and not self.tenant.lists_all(ids):
            raise RefusedQueryError(behavior.unknown_job_ids_refusal)
        page = self.tenant.select(query)
        if page.is_poisonous and not needs_healthy_response(behavior.poison):
            return make_faulty(behavior.poison, behavior)
        response = Response(200, self._make_body(page, now_us))
        return break_json(response) if page.is_poisonous else response

    def _make_body(self, page: Page, now_us: int) -> bytes:
        if not page.rows and self.behavior.empty_page != "empty_list":
            template = _EMPTY_PAGES.get(self.behavior.empty_page)
            return b"{}" if template is None else template % page.count
        signature = self._sign_urls(now_us)
        body = b",".join([signature.join(parts) for parts in page.rows])
        count = b'"count":%d,' % page.count if self.behavior.count_given else b""
        return b'{%b"jobs":[%b]}' % (count, body)

    def _sign_urls(self, now_us: int) -> bytes:
        """Return the signed query of a URL, new for every answer."""
        self._answers += 1
        signature = urlsafe_b64encode(hmac.digest(self._url_key, b"%d" % self._answers, "sha256")[:9])
        expires = now_us // SECOND + URL_LIFE_SECONDS
        return b"?AccessKeyId=%b&Expires=%d&Signature=%b" % (self._url_access_key, expires, signature)

    def _run_between(self) -> None:
        """Run `between_requests`, except before the first request."""
        between = self.behavior.between_requests
        if between is not self._between:
            self._between = between
        elif callable(between):
            between(self.tenant)
        elif between is not None:
            self.tenant.change_some(**between)

    def _answer_config(self, request: web.BaseRequest, project_id: str) -> Response:
        target = request.rel_url
        signed = SignedRequest(request.method, target.raw_path, target.raw_query_string, request.headers)
        with self.tenant.lock:
            self.stats.config_requests += 1
            if (refusal := self.auth.refuse(signed)) is not None:
                return refusal
        if project_id != self.tenant.project_id:
            return make_faulty(self.behavior.wrong_project_refusal or "404", self.behavior)
        if self.behavior.isolation == "not_found":
            return make_error(404)
        controlled = self.behavior.isolation == "on"
        config = {"separately_controlled": controlled, "sub_account_type": "IAM_USER"}
        return make_json(200, {"sub_account_control_config": config})

    async def _handle_tokens(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        await self._wait()
        with self.tenant.lock:
            self.stats.token_requests += 1
            fault = self._iam_faults.draw(self.behavior.iam_faults)
            healthy = needs_healthy_response(fault)
            response = self.auth.log_in(body) if healthy else make_faulty(fault or "", self.behavior)
        finished = self._finish(break_json(response) if fault == "broken_json" else response, request_id)
        if fault is not None and fault in BROKEN_CONNECTIONS:
            return await break_connection(fault, request, finished, self.behavior.hang_seconds)
        return finished

    async def _wait(self) -> None:
        seconds = self.behavior.latency_seconds
        if self.behavior.latency_jitter_seconds:
            seconds += self._latency.random() * self.behavior.latency_jitter_seconds
        if seconds > 0:
            await asyncio.sleep(seconds)

    def _make_request_id(self) -> str:
        return f"{self._request_ids.getrandbits(128):032x}"

    def _finish(self, response: Response, request_id: str) -> web.Response:
        """Return the response with the headers that every response carries."""
        headers = {
            "Content-Type": response.content_type,
            "X-Request-Id": request_id,
            "Server": "api-gateway",
            **response.headers,
        }
        behavior = self.behavior
        if behavior.date_header:
            skew = 0.0 if behavior.date_skew_answers == 0 else behavior.date_skew_seconds
            dated = behavior.date_header is True
            headers["Date"] = self.clock.date_header(skew) if dated else str(behavior.date_header)
        return _DatelessResponse(status=response.status, body=response.body, headers=headers)
