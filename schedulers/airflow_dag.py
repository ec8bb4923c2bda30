"""Run `metastudio sync` every 15 minutes on Airflow 3. Copy this file into the DAGs folder.

The workers' environment holds the settings. If metastudio is installed in an environment of its
own, set METASTUDIO to the path of its program.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

log = logging.getLogger(__name__)


def alert(context: dict[str, Any]) -> None:
    """Notify somebody: replace this with your mail, chat or pager.

    Airflow calls it when a task has finally failed.
    """
    log.error("metastudio sync failed: %s", context.get("exception"))


@dag(
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # each sync catches up by itself
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2), "on_failure_callback": alert},
)
def metastudio() -> None:
    @task
    def sync() -> dict[str, Any]:
        program = os.environ.get("METASTUDIO", "metastudio")
        ended = subprocess.run([program, "sync", "--json"], stdout=subprocess.PIPE, text=True, check=False)
        summary = json.loads(ended.stdout.splitlines()[-1]) if ended.stdout else {}
        message = f"exit code {ended.returncode}: {(summary.get('error') or {}).get('message', 'see the log')}"
        if ended.returncode == 0:
            return summary
        if ended.returncode == 6:
            raise AirflowSkipException(message)  # another sync is running
        if ended.returncode in (1, 2, 3, 5):
            raise AirflowFailException(message)  # a retry would fail the same way
        raise AirflowException(message)  # 4, or killed: retried

    sync()


metastudio()
