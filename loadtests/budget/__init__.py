"""What a device would say to this bridge: cost per session against a device's budget.

- `kernels`: how quick this machine is at the kinds of work a bridge does. EDGE.
- `profile`: a device and its limits, from `loadtests/budgets/*.yaml`. PURE but `read`.
- `translation`: cost here to cost there, as a band. PURE.
- `verdict`: bands against limits. PURE.
- `measuring`: bridge, fake and callers at a number of sessions. EDGE.
- `summary`: the run as figures and as a report. PURE.
- `cli`: `voicebridge bench budget`.
"""
