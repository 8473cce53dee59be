"""The scenario format as JSON Schema, for editors and other languages.

python -m fake_openai.scenario.schema > fake_openai/scenarios/scenario.schema.json
"""

import json
import sys
from typing import Any

from fake_openai.scenario.models import Scenario

SCHEMA_FILE = "scenario.schema.json"
_ON = {"on", "is_"}


def json_schema() -> dict[str, Any]:
    """The schema a YAML (or JSON) scenario must meet.

    The short forms (one text instead of a list, a bare word after `on`) are part of it.
    """
    schema = Scenario.model_json_schema(mode="validation", by_alias=True)
    definitions = schema["$defs"]
    occasion = definitions["On"]["properties"]["is"]["anyOf"][0]
    for name, properties in _properties(definitions):
        for key, value in properties.items():
            properties[key] = _with_short_form(name, key, value, occasion)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "voicebridge fake-openai scenario",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _properties(definitions: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, d["properties"]) for name, d in definitions.items() if "properties" in d
    ]


def _with_short_form(
    model: str, key: str, value: dict[str, Any], occasion: dict[str, Any]
) -> dict[str, Any]:
    """What the loader also accepts in place of the full form."""
    if key == "on":
        return {"anyOf": [occasion, {"$ref": "#/$defs/On"}]}
    if model == "Rule" and key == "say":
        one = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Say"}]}
        return _one_or_many(one, value)
    arrays = [v for v in (value, *value.get("anyOf", ())) if v.get("type") == "array"]
    short = {("Rule", "call"), ("Rule", "emit"), ("Say", "text")}
    if arrays and (model == "On" or (model, key) in short):
        return _one_or_many(arrays[0]["items"], value)
    return value


def _one_or_many(one: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in value.items() if k in {"description", "default", "title"}}
    return {"anyOf": [one, {"type": "array", "items": one}], **kept}


if __name__ == "__main__":
    json.dump(json_schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
