"""The page's prose: what does not depend on figures."""

HEAD = """\
# Benchmark

This project beside what else people would use for the job, against one simulator, in one session. `make bench` measures and
writes this page. All figures are medians over the rounds named at the end; ratios are made of pairs of the same round, as
median (least–most). Seconds depend on the machine; the ratios are what to compare.
"""

QUICK_WARNING = """
**A quick run on a few jobs: it shows that the harness works. Its figures say nothing about anybody's speed.**
"""

AFTER_INITIAL = """\
What the rows of the table give differs. This project also keeps the history of states, a ledger that proves each window complete,
rejected records and, in its second line, the reporting models; the floors and DuckDB keep a bare table. Jobs that vanish or change
while a peer pages through the list are not part of this measure. A cover_url with its query is a credential: "stores signed URLs" says
who keeps it.
"""

AFTER_CHANGES = """\
A late update is a change to a job created long ago. The API filters by creation time only, so a cursor, whichever time it
follows, cannot ask for such a job; sorting by update time finds it, which the floors and this project do. The peers that show stale
jobs here are right again after a full reload, at the cost of their initial sync; Airbyte's line shows just that.

This project reads again what changed in the ten minutes before the newest change that it knows, until it has read through them once
more ten minutes later. So after many changes at one moment (hundreds of videos frozen by one click) the syncs of the next ten minutes ask
for a page for each 99 of them. "Nothing changed" is here the sync that notes that this is over, for which it loads its state; those after
it are measured as a process below.
"""

METHOD = """\
## How it was measured

- One process serves the simulated tenant; its clock stands still and its seed is fixed, so all read the same rows. Every row is
  serialised before the first measurement. Its CPU is not counted, but shown above.
- Each run is a process of its own, with a clean environment, in a folder of its own: wall time from start to end with the start of
  Python, CPU (user and system) with all children, peak resident memory of the largest process.
- After each run the table is compared with what the tenant shows: jobs missing, stale (another state or time), extra, doubled. For
  rows the worst round counts.
- Within a round all peers take turns on the same tenant, in an order that moves on with each round. Before the first round everyone
  runs once on 200 jobs, for the caches.
- Pages have 100 rows, the API's most. Latency is waited before each answer, requests side by side. With a quota of {quota}
  requests a second the rest is answered 429; this project and the floor pace themselves.
- Changes: a day passes in which new jobs come at even distances and jobs drawn by seed are renamed; then everyone syncs. An hour
  passes in which nothing happens; everyone syncs again.
"""
