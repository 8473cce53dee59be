"""Scenarios as data: what the user says, and what the model then says, calls or breaks.

    scenario = load_named("demo")            # one of ours
    scenario = load_file(Path("mine.yaml"))  # yours; errors name file and line
    director = Director(scenario, seed=7)    # decides, turn by turn

The format is `models.Scenario`; `schema.json_schema()` publishes it.
"""

from fake_openai.scenario.director import Director, Plan, Situation
from fake_openai.scenario.loader import (
    ScenarioError,
    load,
    load_file,
    load_named,
    load_text,
    names,
)
from fake_openai.scenario.models import Scenario

__all__ = [
    "Director",
    "Plan",
    "Scenario",
    "ScenarioError",
    "Situation",
    "load",
    "load_file",
    "load_named",
    "load_text",
    "names",
]
