"""Runs one command and tells what it took: `launch.py TIMEOUT COMMAND…`, its figures as the last line of standard output.

A process of its own, with nothing but the standard library in it: on Linux a child's peak memory begins with that of
the process that started it.
"""

import json
import os
import signal
import subprocess
import sys
import time


def main() -> None:
    limit, command = float(sys.argv[1]), sys.argv[2:]
    started = time.perf_counter()
    process = None

    def stop(*_: object) -> None:
        if process is None:
            sys.exit(1)
        os.killpg(process.pid, signal.SIGKILL)

    for reason in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):  # time is up, or the bench was interrupted
        signal.signal(reason, stop)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    signal.setitimer(signal.ITIMER_REAL, limit)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    figures = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "exit": os.waitstatus_to_exitcode(status),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
