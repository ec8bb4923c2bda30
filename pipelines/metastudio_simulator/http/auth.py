"""Who may ask: tokens from a password, and SDK-HMAC-SHA256 signatures of keys.

It verifies signatures by an implementation of its own, with the server's clock. It knows no jobs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from metastudio_simulator.behavior import Behavior
from metastudio_simulator.clock import Clock
from metastudio_simulator.http.faults import make_faulty
from metastudio_simulator.http.responses import Response, make_error, make_json
from metastudio_simulator.timestamps import SECOND, make_datetime, make_us

ALGORITHM: Final = "SDK-HMAC-SHA256"
SIGNATURE_TOLERANCE_SECONDS: Final = 15 * 60
REGION: Final = "cn-north-4"

_AUTHORIZATION = re.compile(rf"{ALGORITHM} Access=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]+)")
_SDK_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(slots=True, frozen=True)
class TemporaryKey:
    """A key that needs its security token, and expires."""

    access_key: str
    secret_key: str
    security_token: str
    expires_us: int


@dataclass(slots=True, frozen=True)
class SignedRequest:
    """The parts that a signature covers. Path and query are raw, as received."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


class Auth:
    """The credentials of one tenant, drawn by seed, and the check of requests that carry them."""

    def __init__(self, clock: Clock, behavior: Behavior, project_id: str, seed: int) -> None:
        self._clock = clock
        self._behavior = behavior
        self._rng = random.Random(f"auth {seed}")
        self.project_id = project_id
        self.access_key = self._draw("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 20)
        self.secret_key = self._draw("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40)
        self.username = "metastudio-reader"
        self.password = self._draw("abcdefghijkmnpqrstuvwxyz23456789", 16)
        self.domain_name = "simulated-domain"
        self._tokens: dict[str, tuple[int, bool]] = {}
        self._temporary: dict[str, TemporaryKey] = {}

    def _draw(self, alphabet: str, length: int) -> str:
        return "".join(self._rng.choice(alphabet) for _ in range(length))

    def issue_token(self, *, scoped: bool = True) -> str:
        """Return a new token. Without the project's scope, it gives no access here."""
        length = self._behavior.token_length
        token = "MII" + base64.b64encode(self._rng.randbytes(length)).decode()[: length - 3]
        self._tokens[token] = (self._token_end(), scoped)
        return token

    def _token_end(self) -> int:
        return self._clock.now_us() + round(self._behavior.token_life_seconds * SECOND)

    def revoke_tokens(self) -> None:
        """Refuse every token issued so far."""
        self._tokens.clear()

    def issue_temporary_key(self, life_seconds: float = 900) -> TemporaryKey:
        """Return a new temporary key, which is valid for `life_seconds` of the server's clock."""
        access_key = self._draw("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 20)
        end = self._clock.now_us() + round(life_seconds * SECOND)
        key = TemporaryKey(
            access_key, self._draw("abcdefghij0123456789", 40), f"gQpjbi{self._rng.getrandbits(800):0200x}", end
        )
        self._temporary[access_key] = key
        return key

    def refuse(self, request: SignedRequest) -> Response | None:
        """Return the refusal of a request, or None if the request is allowed in."""
        if (token := request.headers.get("X-Auth-Token")) is not None:
            return self._refuse_token(token)
        if "Authorization" in request.headers:
            fault = self._find_fault(request)
            return None if fault is None else _make_bad_signature(fault)
        return make_faulty(self._behavior.unauthenticated_refusal, self._behavior)

    def _refuse_token(self, token: str) -> Response | None:
        end_us, scoped = self._tokens.get(token, (0, False))
        if self._clock.now_us() >= end_us:
            return make_faulty(self._behavior.unauthenticated_refusal, self._behavior)
        return None if scoped else make_faulty(self._behavior.wrong_project_refusal or "401", self._behavior)

    def _find_fault(self, request: SignedRequest) -> str | None:
        """Return what is wrong with a signed request, in the words of the response."""
        headers = request.headers
        found = _AUTHORIZATION.fullmatch(headers["Authorization"].strip())
        if not found:
            return "incorrect app authentication information"
        access_key, signed, signature = found.groups()
        secret_key = self._find_secret(access_key, headers.get("X-Security-Token"))
        if secret_key is None:
            return "the AK or its security token is not valid"
        stamp = _SDK_DATE.fullmatch(headers.get("X-Sdk-Date", ""))
        if not stamp:
            return "X-Sdk-Date is missing or not a date"
        try:
            signed_us = make_us("{}-{}-{}T{}:{}:{}Z".format(*stamp.groups()))
        except ValueError:
            return "X-Sdk-Date is not a date"
        if not self._clock.accepts_signature_of(signed_us, SIGNATURE_TOLERANCE_SECONDS):
            return "the signature has expired"
        if not {"host", "x-sdk-date"} <= set(signed.split(";")):
            return "host and x-sdk-date must be signed"
        if not hmac.compare_digest(make_signature(request, signed.split(";"), stamp.group(), secret_key), signature):
            return "verify the signature failed"
        if headers.get("X-Project-Id") not in (self.project_id, _project_in(request.path)):
            return "X-Project-Id is missing or of another project"
        return None

    def _find_secret(self, access_key: str, security_token: str | None) -> str | None:
        if access_key == self.access_key:
            return self.secret_key
        key = self._temporary.get(access_key)
        if key is None or key.security_token != security_token or key.expires_us <= self._clock.now_us():
            return None
        return key.secret_key

    def log_in(self, body: Any) -> Response:
        """Answer IAM's `POST /v3/auth/tokens`: 201 with `X-Subject-Token`, 400 or 401."""
        try:
            identity, scope = body["auth"]["identity"], body["auth"].get("scope") or {}
            user = identity["password"]["user"]
            given = (identity["methods"], user["domain"]["name"], user["name"], user["password"])
            project = dict(scope.get("project") or {})
        except (KeyError, TypeError, AttributeError, ValueError):
            return _iam_error(400, "The request body is invalid", "Bad Request")
        if given != (["password"], self.domain_name, self.username, self.password):
            return _iam_error(401, "The username or password is wrong.", "Unauthorized")
        scoped = self.project_id == project.get("id") or project.get("name") == REGION
        if project and not scoped:
            return _iam_error(401, "The project is not found or not authorized.", "Unauthorized")
        token = self.issue_token(scoped=scoped)
        described = self._describe(self._tokens[token][0], scoped)
        return make_json(201, {"token": described}, X_Subject_Token=token)

    def _describe(self, end_us: int, scoped: bool) -> dict[str, Any]:
        domain = {"id": self.project_id[::-1], "name": self.domain_name}
        token: dict[str, Any] = {
            "expires_at": _iam_time(end_us),
            "issued_at": _iam_time(self._clock.now_us()),
            "methods": ["password"],
            "catalog": [],
            "roles": [{"id": "0", "name": "te_admin"}],
            "user": {
                "domain": domain,
                "id": self.project_id[16:] * 2,
                "name": self.username,
                "password_expires_at": "",
            },
        }
        if scoped:
            token["project"] = {"domain": domain, "id": self.project_id, "name": REGION}
        return token


def make_signature(request: SignedRequest, signed_headers: list[str], stamp: str, secret_key: str) -> str:
    """Return the SDK-HMAC-SHA256 signature that a request should carry, in hex.

    The canonical request consists of the method, the path (each segment encoded, one `/` at the
    end), the query (sorted and encoded again), the signed headers in their order, their names, and
    the body's hash. The signature covers the algorithm, `X-Sdk-Date` and the hash of the canonical
    request.
    """
    path = "/".join(quote(part, safe="~") for part in unquote(request.path).split("/"))
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    lines = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed_headers)
    digest = hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY_SHA256
    body = request.headers.get("X-Sdk-Content-Sha256") or digest if request.body else digest
    canonical = "\n".join(
        (request.method, path if path.endswith("/") else path + "/", query, lines, ";".join(signed_headers), body)
    )
    hashed = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return hmac.digest(secret_key.encode(), f"{ALGORITHM}\n{stamp}\n{hashed}".encode(), "sha256").hex()


def _make_bad_signature(detail: str) -> Response:
    return make_error(401, "APIGW.0301", f"Incorrect IAM authentication information: {detail}")


def _project_in(path: str) -> str:
    return path.split("/")[2] if path.count("/") > 1 else ""


def _iam_error(status: int, message: str, title: str) -> Response:
    return make_json(status, {"error": {"code": status, "message": message, "title": title}})


def _iam_time(us: int) -> str:
    return make_datetime(us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
