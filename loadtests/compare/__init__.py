"""The regression gate: two revisions side by side under the same load.

`revisions` builds them, `side` runs a bridge of one under load, `trial` runs sides next
to each other, `judge` says what differs; `calibrate` proves that it would find it.
"""
