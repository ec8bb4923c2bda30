"""The vendor's own client works with the simulator, for valid and invalid requests."""

from datetime import datetime

import pytest
from huaweicloudsdkcore.exceptions import exceptions

EVER = "2000-01-01T00:00:00Z"
# the SDK itself calls datetime.utcnow, which newer Pythons deprecate
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


def listed(client, **params):
    from huaweicloudsdkmetastudio.v1 import ListDigitalHumanVideoRequest

    return client.list_digital_human_video(ListDigitalHumanVideoRequest(**{"create_since": EVER, **params}))


def refusal(client, kind=exceptions.ClientRequestException, **params):
    with pytest.raises(kind) as caught:
        listed(client, **params)
    return caught.value


def ids(answer):
    return [job.job_id for job in answer.jobs]


def test_every_job_comes_once_through_the_sdks_pages(sim, sdk):
    client = sdk(sim)
    pages = [listed(client, limit=100, offset=offset) for offset in (0, 100, 200, 300)]
    assert [job_id for page in pages for job_id in ids(page)] == [job["job_id"] for job in sim.tenant.visible()]
    assert {page.count for page in pages} == {300}
    assert len({page.x_request_id for page in pages}) == 4


def test_the_sdk_reads_every_field_of_a_finished_photo_job(empty, sdk):
    (job_id,) = empty.tenant.create(
        state="SUCCEED",
        at="2026-01-02T03:04:05.678Z",
        job_type="PHOTO_DIGITAL_HUMAN_VIDEO",
        asset_name="节日祝福",
        duration=12.5,
        start_time="2026-01-02T03:05:00Z",
        end_time="2026-01-02T03:06:00Z",
        lastupdate_time="2026-01-03T00:00:00.9Z",
    )
    (job,) = listed(sdk(empty)).jobs
    assert (job.job_id, job.state, job.job_type) == (job_id, "SUCCEED", "PHOTO_DIGITAL_HUMAN_VIDEO")
    assert (job.start_time, job.end_time, job.duration) == ("2026-01-02T03:05:00Z", "2026-01-02T03:06:00Z", 12.5)
    assert (job.create_time, job.lastupdate_time) == ("2026-01-02T03:04:05Z", "2026-01-03T00:00:00Z")
    assert job.output_asset_config.asset_name == "节日祝福"
    assert job.output_asset_config.asset_id
    assert ".png?AccessKeyId=" in job.output_asset_config.cover_url
    assert ".mp4?AccessKeyId=" in job.output_asset_config.preview_video_url
    assert job.error_info is None


def test_the_sdk_reads_the_reason_of_a_failure(empty, sdk):
    error = {"error_code": "MSS.10010015", "error_msg": "图片中未检测到人脸"}
    empty.tenant.create(state="FAILED", error_info=error)
    (job,) = listed(sdk(empty)).jobs
    assert (job.error_info.error_code, job.error_info.error_msg) == tuple(error.values())
    assert job.output_asset_config is None


def test_every_filter_of_the_sdk_narrows_the_list(sim, sdk):
    client, rows = sdk(sim), sim.tenant.visible()
    hidden = {job["job_id"]: sim.tenant.hidden_fields(job["job_id"]) for job in rows}
    some = rows[120]["job_id"]

    def expect(wanted, **params):
        assert 0 < len(wanted) < 100, "a filter that keeps nothing or all proves nothing"
        assert ids(listed(client, limit=100, **params)) == wanted
        assert listed(client, limit=1, **params).count == len(wanted)

    expect([job["job_id"] for job in rows if job["state"] in ("FAILED", "CANCELED")], state="FAILED,CANCELED")
    photo = ("PHOTO_DIGITAL_HUMAN_VIDEO", "DIGITAL_HUMAN_PHOTO_VIDEO")
    expect([job["job_id"] for job in rows if job.get("job_type") in photo], job_type=photo[0])
    expect(
        [key for key in hidden if hidden[key]["script_id"] == hidden[some]["script_id"]],
        script_id=hidden[some]["script_id"],
    )
    expect(
        [key for key in hidden if hidden[key]["asset_name"] == hidden[some]["asset_name"]],
        asset_name=hidden[some]["asset_name"],
    )
    expect(
        [key for key in hidden if "数字人" in hidden[key]["asset_name"]],
        asset_name="数字人",
        fuzzy_query_field=["asset_name"],
    )
    expect([some], job_id=some)
    three = [rows[place]["job_id"] for place in (5, 120, 250)]
    expect(three, job_ids=[*three, "nobody"])
    expect([key for key in hidden if hidden[key]["app_user_id"] == "user-1"], x_app_user_id="user-1")
    since, until = rows[30]["create_time"], rows[90]["create_time"]
    low, high = datetime.fromisoformat(since), datetime.fromisoformat(until)
    exact = [key for key in hidden if low <= hidden[key]["create_time"] <= high]
    expect(exact, create_since=since, create_until=until)


def test_the_sdks_sorting_is_honored_both_ways(sim, sdk):
    client = sdk(sim)
    for key, field in (("create_time", "create_time"), ("update_time", "lastupdate_time")):
        up = listed(client, sort_key=key, sort_dir="asc", limit=100).jobs
        down = listed(client, sort_key=key, sort_dir="desc", limit=100, offset=200).jobs
        assert [getattr(job, field) for job in up] == sorted(getattr(job, field) for job in up)
        assert [job.job_id for job in up] == [job.job_id for job in reversed(down)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "ten"},
        {"offset": -1},
        {"offset": 2**31},
        {"sort_key": "lastupdate_time"},
        {"sort_dir": "down"},
        {"create_since": "2026-01-01"},
        {"create_until": "2026-13-01T00:00:00Z"},
        {"create_until": "2026-01-01T00:00:00.5Z"},
        {"create_since": "2026-01-01T00:00:00+08:00"},
        {"x_app_user_id": "用户"},
    ],
)
def test_a_parameter_out_of_bounds_is_refused_with_its_code(empty, sdk, wrong):
    error = refusal(sdk(empty), **wrong)
    assert (error.status_code, error.error_code, error.error_msg) == (400, "MSS.00000003", "Invalid parameter")
    assert len(error.request_id) == 32


@pytest.mark.parametrize("edge", [{"limit": 1}, {"limit": 100}, {"offset": 2**31 - 1}, {"state": "CREATING,PUBLISHED"}])
def test_a_parameter_at_its_bound_is_served(empty, sdk, edge):
    assert listed(sdk(empty), **edge).count == 0


def test_a_wrong_secret_key_is_refused(empty, sdk):
    error = refusal(sdk(empty, secret_key="x" * 40))
    assert (error.status_code, error.error_code) == (401, "APIGW.0301")


def test_an_unknown_access_key_is_refused(empty, sdk):
    error = refusal(sdk(empty, access_key="A" * 20))
    assert (error.status_code, error.error_code) == (401, "APIGW.0301")


def test_another_project_is_not_found(empty, sdk):
    error = refusal(sdk(empty, project_id="0" * 32))
    assert (error.status_code, error.error_code, error.error_msg) == (404, "MSS.00000002", "Not Found")


def test_a_temporary_key_opens_with_its_security_token_until_it_ends(empty, sdk):
    key = empty.temporary_key(life_seconds=900)
    pair = {"access_key": key.access_key, "secret_key": key.secret_key}
    client = sdk(empty, **pair, security_token=key.security_token)
    assert listed(client).count == 0
    assert refusal(sdk(empty, **pair)).error_code == "APIGW.0301"
    assert refusal(sdk(empty, **pair, security_token="another")).error_code == "APIGW.0301"
    empty.clock.advance(900)
    assert refusal(client).error_code == "APIGW.0301"


def test_parameters_with_reserved_characters_are_verified(empty, sdk):
    name = "a+b & c=d/é~*'%2F 数字人?#"
    (job_id,) = empty.tenant.create(asset_name=name)
    assert ids(listed(sdk(empty), asset_name=name)) == [job_id]


def test_the_sdk_sees_server_errors_as_its_own_exceptions(empty, sdk):
    client = sdk(empty)
    empty.behavior.faults = ["500", "503"]
    error = refusal(client, exceptions.ServerResponseException)
    assert (error.status_code, error.error_code) == (500, "MSS.00000004")
    error = refusal(client, exceptions.ServerResponseException)
    assert (error.status_code, error.error_code) == (503, "503")
    assert "<html>" in error.error_msg


@pytest.mark.parametrize(("isolation", "controlled"), [("off", False), ("on", True)])
def test_the_sdk_reads_whether_users_are_isolated(empty, sdk, isolation, controlled):
    empty.behavior.isolation = isolation
    from huaweicloudsdkmetastudio.v1 import ShowTenantServiceConfigsRequest

    config = sdk(empty).show_tenant_service_configs(ShowTenantServiceConfigsRequest()).sub_account_control_config
    assert (config.separately_controlled, config.sub_account_type) == (controlled, "IAM_USER")


def test_the_sdk_gives_up_past_the_quota(sim, sdk):
    """The SDK reads neither the code nor the X-Request-Id of a 429; `test_rate_limit.py` does."""
    sim.behavior.quota_per_second = 0.01
    client = sdk(sim)
    listed(client)
    assert refusal(client).status_code == 429


def test_the_sdk_cannot_reach_a_connection_that_is_reset(empty, sdk):
    empty.behavior.faults = ["reset"]
    with pytest.raises(exceptions.ConnectionException):
        listed(sdk(empty))
