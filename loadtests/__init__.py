"""Load on a running bridge: processes of simulated browsers, and what they cost it.

Never imports ``server``: the bridge under load is a child process or a remote host, as
it is for a user. Every latency is measured inside the simulator's own process.
"""
