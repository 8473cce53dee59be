"""Makes a report of what `voicebridge simulate` wrote, of one load or of several. PURE.

`lines` reads it, `figures` and `timeline` make blocks of it, `verdict` judges it and
`report` puts it all together.
"""

from reports.calls.figures import FIGURES, call_medians
from reports.calls.lines import CallsAtLoad, lines_at_load
from reports.calls.report import HISTORY, Circumstances, history_figures, run_of_calls

__all__ = [
    "FIGURES",
    "HISTORY",
    "CallsAtLoad",
    "Circumstances",
    "call_medians",
    "history_figures",
    "lines_at_load",
    "run_of_calls",
]
