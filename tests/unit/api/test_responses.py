"""What an answer means: a page, a failure that is retried, or a refusal with its message."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from metastudio.api.responses import read_problem
from metastudio.api.transport import HttpResponse
from metastudio.errors import ConfigurationError, CredentialsError, MetaStudioError, RefusedError, UnavailableError

from tests.support.loopback import (
    HTML,
    SECRETS,
    Script,
    break_off,
    drip,
    error,
    fetch,
    hang,
    make_client,
    page,
    reset,
    serve,
)

FAILURES = {
    "reset": (reset, "closed the connection", None),
    "broken off": (break_off, "broke off", 200),
    "hanging": (hang, "did not answer within", None),
    "dripping": (drip, "did not answer within", None),
    "bad gzip": (page(b"no gzip", Content_Encoding="gzip"), "broke off", 200),
    "500": (error(500, "MSS.00000004", "Internal Error"), "answered 500: Internal Error", 500),
    "502 in HTML": (page(HTML.body, 502), "answered 502", 502),
    "503": (error(503), "answered 503", 503),
    "408": (error(408), "answered 408", 408),
    "HTML": (HTML, "answered 200 with HTML", 200),
    "truncated JSON": (page(b'{"count": 1, "jobs": ['), "what is not JSON", 200),
    "empty": (page(b""), "what is not JSON", 200),
    "204": (page(b"", 204), "answered 204", 204),
    "a list": (page([]), "without a count and without jobs", 200),
    "null": (page(None), "without a count and without jobs", 200),
    "a word for a count": (page({"count": "all", "jobs": []}), "without an integer count", 200),
    "a broken count": (page({"count": 1.5, "jobs": []}), "without an integer count", 200),
    "a true count": (page({"count": True, "jobs": []}), "without an integer count", 200),
    "a negative count": (page({"count": -1, "jobs": []}), "without an integer count", 200),
    "jobs object": (page({"count": 1, "jobs": {}}), "without a list of jobs", 200),
    "error in a 200": (error(200, "MSS.00000004", "Internal Error"), "answered 200: Internal Error", 200),
    "error beside a page": (
        page({"error_code": "MSS.00000004", "error_msg": "Internal Error", "count": 0, "jobs": []}),
        "answered 200: Internal Error",
        200,
    ),
    "words in a 200": (page({"error_msg": "busy"}), "without a count and without jobs: busy", 200),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_passing_failure_is_retried(name: str) -> None:
    script = Script(FAILURES[name][0], FAILURES[name][0], page())
    answer = fetch(script, timeout_seconds=1 if name in ("hanging", "dripping") else 5)
    assert (answer.count, answer.counters.retries, answer.counters.throttled) == (230, 2, 0)
    assert len(script.seen) == 3


@pytest.mark.parametrize("name", FAILURES)
def test_a_lasting_failure_ends_and_says_why(name: str) -> None:
    answer, words, status = FAILURES[name]
    script = Script(answer)
    failure = fetch(script, max_attempts=3, timeout_seconds=1 if name in ("hanging", "dripping") else 5)
    assert (type(failure), failure.status) == (UnavailableError, status)
    assert words in failure.message
    assert "after 3 attempts" in failure.message
    assert "offset 0, limit 100" in failure.message
    assert "127.0.0.1:" in failure.message
    assert len(script.seen) == 3
    assert not SECRETS.search(str(failure))
    if isinstance(answer, web.Response) and name != "HTML":
        assert failure.request_id == "req-1"
    if name.startswith("error"):
        assert failure.code == "MSS.00000004"


@pytest.mark.parametrize(
    ("body", "count", "jobs"),
    [
        ({"count": 0}, 0, []),
        ({}, 0, []),
        ({"jobs": None}, 0, []),
        ({"jobs": []}, 0, []),
        ({"jobs": [{}]}, None, [{}]),
        ({"count": None, "jobs": [{}]}, None, [{}]),
        ({"count": 0, "jobs": None}, 0, []),
        ({"count": 230, "jobs": None}, 230, []),
        ({"count": "12", "jobs": [{}]}, 12, [{}]),
        ({"count": 12.0, "jobs": [{}]}, 12, [{}]),
        ({"count": "12.0", "jobs": [None]}, 12, [None]),
        ({"count": 1, "jobs": [{}], "error_code": None, "error_msg": ""}, 1, [{}]),
        ({"count": 1, "jobs": [{}], "error_code": "0", "error_msg": "ok"}, 1, [{}]),
    ],
)
def test_a_page_may_leave_out_its_count_or_jobs_and_write_its_count_as_text(
    body: object, count: int | None, jobs: object
) -> None:
    answer = fetch(Script(page(body)))
    assert (answer.count, answer.jobs, answer.counters.requests) == (count, jobs, 1)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b'"half a \xe6\x96 character"', "half a \ufffd character"),
        (b'"half a \\ud83d pair"', "half a ? pair"),
        (b'"a bare\nline break"', "a bare\nline break"),
        (b"NaN", None),
        (b"1e400", None),
        (b"9" * 400, None),
        (b"9" * 5000, None),
    ],
)
def test_one_broken_value_does_not_lose_the_page(value: bytes, read: object) -> None:
    script = Script(page(b'{"count": 2, "jobs": [{"job_id": "a", "x": ' + value + b'}, {"job_id": "b", "y": 1.5}]}'))

    assert fetch(script).jobs == [{"job_id": "a", "x": read}, {"job_id": "b", "y": 1.5}]
    assert len(script.seen) == 1


@pytest.mark.parametrize("charset", ["gbk", "GB18030", "utf-16", "utf-8", "no-such-charset"])
def test_a_body_is_read_in_its_declared_charset(charset: str) -> None:
    text = '{"count": 1, "jobs": [{"job_id": "a", "name": "数字人"}]}'
    body = text.encode("utf-8" if charset.startswith("no") else charset)
    answer = fetch(Script(page(body, Content_Type=f"application/json; charset={charset}")))
    assert answer.jobs == [{"job_id": "a", "name": "数字人"}]


def test_the_words_of_an_error_are_read_in_its_charset_too() -> None:
    body = '{"error_code": "MSS.00000003", "error_msg": "参数错误"}'.encode("gbk")
    failure = fetch(Script(page(body, 400, Content_Type="application/json; charset=gbk")))
    assert "answered 400: 参数错误" in failure.message


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "MSS.00000003", "filters and start_date"),
        (404, "MSS.00000002", "project_id, region and endpoint"),
        (400, "MSS.00000002", "filters and start_date"),
        (405, "APIGW.0103", "endpoint"),
        (410, "MSS.00000099", "endpoint"),
        (413, "APIGW.0201", "too long"),
        (414, "APIGW.0201", "too long"),
        (416, "MSS.00000003", "endpoint"),
        (422, "MSS.00000003", "endpoint"),
        (431, "APIGW.0201", "too long"),
    ],
)
def test_a_refused_request_is_reported_with_its_status_and_never_retried(status: int, code: str, words: str) -> None:
    script = Script(error(status, code), page())
    failure = fetch(script)
    assert (type(failure), failure.status, failure.exit_code) == (RefusedError, status, 2)
    assert (failure.code, failure.request_id) == (code, "req-1")
    assert words in failure.hint
    assert len(script.seen) == 1


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
@pytest.mark.parametrize(
    ("code", "kind", "requests", "words"),
    [
        ("MSS.00010008", CredentialsError, 2, "Check the credentials"),
        ("MSS.00010009", CredentialsError, 2, "another project"),
        ("APIGW.0301", CredentialsError, 2, "Check the credentials"),
        ("APIG.0301", CredentialsError, 2, "Check the credentials"),
        ("MSS.00010003", ConfigurationError, 1, "no such API"),
        ("APIGW.0101", ConfigurationError, 1, "no such API"),
        ("MSS.00022009", CredentialsError, 1, "frozen"),
        ("MSS.00022010", CredentialsError, 1, "not verified"),
        ("MSS.00024001", CredentialsError, 1, "privilege"),
    ],
)
def test_the_code_decides_before_the_status(
    status: int, code: str, kind: type[MetaStudioError], requests: int, words: str
) -> None:
    script = Script(error(status, code))
    failure = fetch(script)
    assert type(failure) is kind
    assert words in failure.hint
    assert failure.code == code
    assert len(script.seen) == requests


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "MSS.1"), (429, "APIGW.0308"), (200, "APIGW.0308"), (403, "APIG.0308"), (503, "APIG.0308")],
)
def test_too_many_requests_are_recognized_by_code_or_status(status: int, code: str) -> None:
    script = Script(error(status, code, Retry_After="0"), page())
    assert fetch(script).counters.throttled == 1
    failure = fetch(Script(error(status, code, Retry_After="3600")), retry_seconds=5)
    assert (type(failure), failure.code) == (UnavailableError, code)
    assert "requests_per_second" in failure.hint


def test_a_403_of_no_known_code_is_about_the_credentials() -> None:
    script = Script(error(403, "APIGW.0302"))
    failure = fetch(script)
    assert type(failure) is CredentialsError
    assert "may not read" in failure.hint
    assert len(script.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_refused_and_its_query_not_shown(status: int) -> None:
    elsewhere = Script(page())

    async def main() -> MetaStudioError:
        async with serve(elsewhere) as other:
            location = f"{other.replace('127.0.0.1', 'localhost')}/v1?Signature=evil-query"
            script = Script(page(b"", status, Location=location), page())
            async with serve(script) as base_url, make_client(base_url) as client:
                with pytest.raises(ConfigurationError) as caught:
                    await client.fetch_jobs({})
                assert len(script.seen) == 1
                return caught.value

    failure = asyncio.run(main())
    assert elsewhere.seen == []
    assert "redirects to localhost" in str(failure)
    assert not SECRETS.search(str(failure))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"error_code": "MSS.00000003", "error_msg": "Invalid parameter"}', ("MSS.00000003", "Invalid parameter")),
        (b'{"error": {"code": 401, "message": "no user", "title": "Unauthorized"}}', (None, "no user")),
        (b'{"error_code": "<script>", "error_msg": ["x"]}', (None, "")),
        (b'{"error_code": "MSS.canary", "error_msg": "a canary"}', (None, "a …")),
        (b'{"error_code": 7}', (None, "")),
        (b"<html>no</html>", (None, "")),
        (b'{"error_code": ', (None, "")),
        (b"", (None, "")),
    ],
)
def test_a_body_has_a_code_and_a_message_or_neither(body: bytes, problem: tuple[str | None, str]) -> None:
    assert read_problem(HttpResponse(400, body), ("canary",)) == problem
