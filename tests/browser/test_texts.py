"""The page has German words for everything the bridge may complain about."""

from __future__ import annotations

import pytest

from server.errors import BridgeError
from tests.support.page_double import WEB_ROOT

GERMAN = (WEB_ROOT / "texts" / "de.js").read_text(encoding="utf-8")


def codes_of(kind: type[BridgeError]) -> set[str]:
    below = (codes_of(child) for child in kind.__subclasses__())
    return {kind.code}.union(*below)


# Raised before there is a page to tell.
@pytest.mark.parametrize("code", sorted(codes_of(BridgeError) - {"cannot_start"}))
def test_an_error_of_the_bridge_can_be_told_in_german(code: str) -> None:
    assert f'"error.{code}":' in GERMAN
