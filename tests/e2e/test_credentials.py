"""Every way to sign in, and signed URLs."""

from __future__ import annotations

import pytest

from tests.support.rows import held_rows, shown_rows


def test_a_token_and_a_password_work_as_well_as_a_key(sim, settings, run, query, monkeypatch):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"SOURCES__METASTUDIO__CREDENTIALS__{name}")
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__TOKEN", sim.token())
    assert run("sync").code == 0
    monkeypatch.delenv("SOURCES__METASTUDIO__CREDENTIALS__TOKEN")
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__USERNAME", sim.username)
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__PASSWORD", sim.password)
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__DOMAIN_NAME", sim.domain_name)
    monkeypatch.setenv("SOURCES__METASTUDIO__CREDENTIALS__IAM_ENDPOINT", sim.url)
    assert run("sync").code == 0

    assert held_rows(query) == shown_rows(sim)


@pytest.mark.parametrize("prefix", ["HUAWEICLOUD_SDK", "CLOUD_SDK"])
def test_the_vendors_environment_variables_serve_where_nothing_else_is_set(sim, settings, run, monkeypatch, prefix):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"SOURCES__METASTUDIO__CREDENTIALS__{name}")
    monkeypatch.setenv(f"{prefix}_AK", sim.access_key)
    monkeypatch.setenv(f"{prefix}_SK", sim.secret_key)

    assert run("sync").code == 0


def test_a_username_of_the_machine_is_not_part_of_the_credentials(sim, settings, run, monkeypatch):
    for name in ("ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.delenv(f"SOURCES__METASTUDIO__CREDENTIALS__{name}")
    monkeypatch.setenv("USERNAME", "somebody")
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", sim.access_key)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", sim.secret_key)

    assert run("sync").code == 0


def test_no_signed_query_reaches_the_file(sim, synced, run, query, folder):

    urls = query(
        "SELECT output_asset_config__cover_url, output_asset_config__preview_video_url FROM metastudio.digital_human_videos"
    )
    assert any(cover for cover, _ in urls)
    assert not any("?" in url for row in urls for url in row if url)
    assert b"Signature=" not in (folder / "videos.duckdb").read_bytes()


def test_signed_urls_are_kept_on_request(sim, settings, run, query, monkeypatch):
    monkeypatch.setenv("SOURCES__METASTUDIO__KEEP_SIGNED_URLS", "true")
    run("sync")

    urls = query("SELECT output_asset_config__cover_url FROM metastudio.digital_human_videos")
    assert any("Signature=" in cover for (cover,) in urls if cover)
