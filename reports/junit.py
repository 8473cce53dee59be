"""A run's checks as JUnit XML, which every CI service reads. PURE."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reports.model import Outcome, Run

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")


def render(run: Run) -> str:
    """One test case per check; an undecided one is skipped with its reason.

    A run without checks has one case, the verdict itself.
    """
    suite = Element("testsuite", name=_clean(f"voicebridge {run.kind}"))
    cases = [(c.group, c.name, c.outcome, c.words) for c in run.checks]
    if not cases:
        cases = [("run", "verdict", run.verdict.outcome, run.verdict.words)]
    for group, name, outcome, words in cases:
        case = SubElement(
            suite,
            "testcase",
            classname=_clean(f"voicebridge.{run.kind}.{group}"),
            name=_clean(name),
            time="0",
        )
        if outcome is Outcome.FAIL:
            SubElement(case, "failure", message=_clean(words))
        elif outcome is Outcome.UNDECIDED:
            SubElement(case, "skipped", message=_clean(words))
    outcomes = [outcome for _, _, outcome, _ in cases]
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(outcomes.count(Outcome.FAIL)))
    suite.set("skipped", str(outcomes.count(Outcome.UNDECIDED)))
    suite.set("errors", "0")
    suite.set("time", f"{run.seconds or 0:.1f}")
    suite.set("timestamp", run.started_at)
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, "unicode") + "\n"


def _clean(text: str) -> str:
    return _NOT_XML.sub("?", text)
