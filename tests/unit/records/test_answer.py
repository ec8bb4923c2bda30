"""A documented answer is decoded directly, into the same rows as from its JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from metastudio.records.answer import decode_answer
from metastudio.records.parser import RowParser

from tests.support.example import EXAMPLE

JOB = {**EXAMPLE, "job_type": "2D_DIGITAL_HUMAN_VIDEO"}

EMPTY = {
    **JOB,
    "job_type": "",
    "output_asset_config": dict.fromkeys(("asset_id", "asset_name", "cover_url", "preview_video_url"), ""),
    "error_info": {"error_code": "", "error_msg": ""},
}

texts = (
    st.none()
    | st.text(max_size=8)
    | st.sampled_from(["100%", "why?", "a\\b", "a\0b", "", "see https://h/a?Signature=S", "企业宣传片"])
)
times = (
    st.none()
    | st.from_regex(r"20[0-9]{2}-0[1-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,16})?[Zz]", fullmatch=True)
    | st.from_regex(r"(0001|9999)-(01-01|12-31)T[0-2][0-9]:59:59\.9{6,7}([+-]0[0-9]:?00|Z)?", fullmatch=True)
    | st.sampled_from(["", " ", "soon", "2024-W01-1T00:00:00Z", "2022-11-30T06:59Z"])
)  # fmt: skip
numbers = st.none() | st.integers() | st.floats() | st.sampled_from([10**30, 2**53 + 1, True, "60"])
assets = st.none() | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("asset_id", "asset_name", "cover_url", "preview_video_url", "new"), texts)
)
errors = st.none() | st.fixed_dictionaries({}, optional={"error_code": texts, "error_msg": texts | numbers})
jobs = st.fixed_dictionaries(
    {"job_id": st.text(max_size=4), "state": texts},
    optional={
        "job_type": texts,
        "duration": numbers,
        "output_asset_config": assets,
        "error_info": errors,
        **dict.fromkeys(("start_time", "end_time", "create_time", "lastupdate_time"), times),
    },
)


@pytest.mark.parametrize("keep_signed_urls", [False, True])
@given(answer=st.fixed_dictionaries({"count": st.integers(-1, 2**70) | numbers, "jobs": st.lists(jobs, max_size=2)}))
@example(answer={"count": 1, "jobs": [{**JOB, "start_time": "2022-01-18T16:29:36.99999951Z"}]})
@example(answer={"count": 1, "jobs": [{**JOB, "job_type": "\ud800"}]})
@example(answer={"count": 1, "jobs": [EMPTY]})
def test_a_decoded_answer_gives_the_rows_of_its_json(keep_signed_urls, answer):
    body = json.dumps(answer).encode()
    parser = RowParser(keep_signed_urls=keep_signed_urls)

    if (decoded := decode_answer(body)) is not None:
        assert decoded.count == answer["count"]
        assert [parser.parse(job) for job in decoded.jobs] == [parser.parse(job) for job in json.loads(body)["jobs"]]
        assert all(job.lastupdate_time is None or job.lastupdate_time.utcoffset().seconds == 0 for job in decoded.jobs)


def test_a_documented_answer_is_decoded():
    bare = {"job_id": "a", "state": "NEW"}
    assert len(decode_answer(json.dumps({"count": 7, "jobs": [JOB, bare]}).encode()).jobs) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"jobs": [JOB]},
        {"count": 1},
        {"count": 1, "jobs": None},
        {"count": "1", "jobs": [JOB]},
        {"count": 1, "jobs": [JOB], "error_code": "MSS.1"},
        {"count": 1, "jobs": [{**JOB, "job_id": ""}]},
        {"count": 1, "jobs": [{**JOB, "state": None}]},
        {"count": 1, "jobs": [{**JOB, "state": ""}]},
        {"count": 1, "jobs": [{**JOB, "priority": 3}]},
        {"count": 1, "jobs": [{**JOB, "error_info": {"hint": "h"}}]},
        {"count": 1, "jobs": [{**JOB, "create_time": "2022-11-30T14:59:56+08:00"}]},
        {"count": 1, "jobs": [JOB, None]},
    ],
)
def test_another_answer_is_left_to_the_parser(answer):
    assert decode_answer(json.dumps(answer).encode()) is None
