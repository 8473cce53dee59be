"""Simulated browsers as Locust users: `locust -f loadtests/locustfile.py --host URL`.

No logic here: see `loadtests/load`. A shape is chosen with `--shape NAME` or, in the
web UI, with `--class-picker`; without one Locust's own --users, --spawn-rate and
--run-time count. docs/load.md has the commands.
"""

import sys

from loadtests.load import hooks
from loadtests.load.locust_shapes import chosen_shapes
from loadtests.load.users import Caller as Caller

hooks.install()
# Locust takes every shape class it finds here in place of its own options.
globals().update(chosen_shapes(sys.argv))
