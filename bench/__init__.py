"""The benchmark: this project, other tools and two baselines read the same simulated tenant.

`make bench` runs the scenarios, checks the rows, compares the figures with the targets and writes
`docs/benchmark.md`. The benchmark is not part of the package or of the tests. Environments and
results are kept in `.bench/`.
"""
