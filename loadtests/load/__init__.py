"""Load runs with Locust: users that make simulated browsers call a bridge.

- `options`: what the command line adds. `shapes`: how many users when (PURE).
- `users`: the user. `events`: a call as Locust's request events (PURE).
- `limits`: what calls may be like, from a YAML file (PURE but for reading it).
- `tally`: everything the run has seen (PURE). `verdict`: what to make of it (PURE).
- `hooks`: wires all that to Locust's events. `summary`: the run as a report (PURE).
- `cli`: `voicebridge load`, which starts a bridge, a master and workers.

Nothing here imports asyncio or aiortc: gevent and asyncio do not share a process.
"""
