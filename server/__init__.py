"""The bridge: browsers on one side, one realtime model session on the other.

`app.create_app` wires every part from `settings.Settings`; the rooms below it and who
may import whom are listed in the architecture notes (`docs/`).
"""

__version__ = "0.1.0"
