"""Simulated browsers in child processes, ordered by JSON lines.

A load generator built on gevent (Locust) or threads cannot run aiortc itself. It starts
processes of this package instead: each holds many calls on one asyncio loop and hands
every finished call to an analysing process of low priority, so that no CPU is taken
from the capture clock of the calls still under way.

- `wire`: the lines (PURE). `report`: a call as those lines carry it (PURE).
- `__main__`: the process that calls. `switchboard`: the calls in it.
- `analysis`: the process that analyses; `analysing`: its owner's end.
- `pool`: starts such processes and spreads calls over them. It uses threads, which
  become greenlets when Locust has patched them; it imports no asyncio.
"""
