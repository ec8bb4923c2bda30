"""The benchmark: this project beside its peers and two floors, against one simulator, measured, judged and written down.

`make bench` runs it. It is no part of the package and of the tests; its environments and results live in `.bench/`.
"""
