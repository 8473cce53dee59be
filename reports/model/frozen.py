"""What all of a result is made of. PURE."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value that says no more and no less than its fields."""

    # Not a number and infinity have no JSON: who has no figure leaves it out.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )
