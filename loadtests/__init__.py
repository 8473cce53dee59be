"""Load on a running bridge: processes of simulated browsers, and what they cost it.

Never imports ``server``: the bridge under load is a child process or a remote host, as
it is for a user. Every latency is measured inside the simulator's own process.

- `callers`: calls in child processes, by JSON lines. `load`: Locust over them.
- `budget`, `budgets/*.yaml`: what sessions cost against what a device allows.
- `bridge_health`, `process_tree`, `host_sampler`: what a bridge uses, here or remote.
- `bench`, `engine`, `compare`, `soak`: other ways to measure. `processes`: children.
"""
