"""The settings that sync from a simulated tenant."""

from __future__ import annotations

from metastudio_simulator import Simulator

NOW = "2026-01-15T12:00:00Z"


def make_settings(sim: Simulator) -> dict[str, str]:
    """Return the settings that sync from a simulator, as environment variables."""
    return {
        "SOURCES__METASTUDIO__ENDPOINT": sim.url,
        "SOURCES__METASTUDIO__PROJECT_ID": sim.project_id,
        "SOURCES__METASTUDIO__CREDENTIALS__ACCESS_KEY": sim.access_key,
        "SOURCES__METASTUDIO__CREDENTIALS__SECRET_KEY": sim.secret_key,
        "SOURCES__METASTUDIO__REQUESTS_PER_SECOND": "1000",
    }
