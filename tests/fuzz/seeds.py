"""The seeds at which a reader once failed, and some at which none did."""

import json
from pathlib import Path

SEEDS = Path(__file__).with_name("seeds.json")


def kept_seeds() -> list[list[str | int]]:
    """Return (target, seed) of each."""
    kept: list[list[str | int]] = json.loads(SEEDS.read_text(encoding="utf-8"))
    return kept
