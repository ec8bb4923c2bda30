"""Run one command and print its cost as JSON: `timed_run.py TIMEOUT COMMAND…`.

This is a separate process that imports the standard library only, because on Linux the peak memory
of a child begins with that of the process that started it.
"""

import json
import os
import signal
import subprocess
import sys
import time


def main() -> None:
    timeout, command = float(sys.argv[1]), sys.argv[2:]
    started = time.perf_counter()
    process = None

    def stop(*_: object) -> None:
        if process is None:
            sys.exit(1)
        os.killpg(process.pid, signal.SIGKILL)

    for reason in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):  # timed out, or the benchmark was interrupted
        signal.signal(reason, stop)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    cost = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "exit": os.waitstatus_to_exitcode(status),
    }
    sys.stdout.write(json.dumps(cost) + "\n")


if __name__ == "__main__":
    main()
