"""The paragraphs of the page. They do not depend on figures."""

HEAD = """\
# Benchmark

How fast is `metastudio sync`, and what does it cost, compared with other ways to load the same
jobs? This project, other tools and two baselines read the same simulated tenant on one machine.
`make bench` measures all of them, checks the rows that each of them loaded, and writes this page.

How to read the figures:

- **A tenant** is a simulated MetaStudio account with a number of jobs. **An initial sync** reads
  all of its jobs. A later sync reads what has changed since.
- **A baseline** is a script that does the least that could work: it downloads the pages and loads
  them, without checks, retries or a history of states. It shows what the job costs at minimum.
- **Wall** is the time from start to end of the process. **CPU** is the processor time that it used.
- Figures are medians over several rounds. A ratio compares runs of the same round and is written
  median (minimum–maximum).
- Seconds depend on the machine. Compare the ratios.
"""

QUICK_WARNING = """
**This was a quick run on few jobs. It shows that the benchmark works; its figures mean nothing.**
"""

AFTER_TARGETS = """\
The limits are goals. They were set in advance and may not be reached yet: the last column says
which are. *Not measured* means that no figure of this comparison exists yet.
"""

AFTER_INITIAL = """\
The tools do not load the same things. This project also keeps the history of states, a ledger that
records what was read completely, rejected records and, in its second line, the reporting models.
The baselines and DuckDB keep one table. Jobs that change or disappear while a tool reads are not
part of this scenario.

*Stores signed URLs*: the API returns each `cover_url` with a signature in its query. Whoever has
that URL can open the file, so it is a credential and does not belong in a table.
"""

AFTER_CHANGES = """\
*Stale* counts jobs whose row no longer equals what the tenant shows. A late update is a change to a
job that was created long ago. The API filters by creation time only, so a tool that asks for jobs
"since" a time misses late updates, whichever column it keeps as its cursor. The baselines and this
project sort by update time and find them. The tools with stale rows are right again after a full
reload, which costs as much as their initial sync. Airbyte reloads everything in each run.

A day after the initial sync, this project also reads a part of the history again, all of it within
`scrub_days`. That takes more than half of its requests for the changes.

*Nothing changed* is the first sync after the changes. This project then reads the last ten minutes
before the newest change again, in case they were incomplete. If many jobs change within ten
minutes, each sync in the following ten minutes needs one request for each 99 of them,
because consecutive pages share one job. Whole processes are measured below.
"""

METHOD = """\
## How it was measured

- **Tenant.** One process serves the simulated tenant. Its clock stands still and its seed is fixed,
  so all tools read the same rows. Every row is serialized before the first measurement. The CPU of
  the simulator is not counted, but its limit is shown above.
- **Run.** Each run is a process of its own in a folder of its own, with a clean environment. Wall
  time includes the start of Python. CPU is user and system time, with all child processes. Peak
  memory is the resident memory of the largest process.
- **Rows.** After each run, the table is compared with what the tenant shows. Differences are jobs
  that are missing, stale (different state or update time), extra or doubled. The worst round
  counts.
- **Order.** Within a round, all tools take turns on the same tenant, in an order that rotates with
  each round. Before the first round, each tool runs once on 200 jobs to fill the caches.
- **Network.** Pages have 100 jobs, the maximum of the API. Latency is a wait before each answer;
  concurrent requests wait at the same time. With a quota, requests beyond {quota} a second are
  answered with status 429. This project and the baseline slow down by themselves; the baseline does
  not retry, so one such answer ends it.
- **Changes.** A day passes in which new jobs appear at equal intervals and randomly chosen old jobs
  are renamed. All tools sync. An hour passes in which nothing happens. All tools sync again.
- **Repeat it.** `make bench` measures everything and continues after an interruption.
  `make bench BENCH="sync growth"` measures some scenarios, `make bench BENCH=page` only writes the
  page again, and `make bench BENCH="--quick"` checks in little time that the benchmark works.
"""
