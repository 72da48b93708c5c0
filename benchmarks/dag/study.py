"""A large study that is never run: 50 pairs × 2 decodings × 20 settings × 10 shard groups of real rounds."""

from pathlib import Path
from typing import Any

from tests.support.sandbox import Sandbox
from tests.support.tiny_study import prepare_study

N_PAIRS, N_SETTINGS, N_GROUPS = 50, 20, 10


def prepare(folder: Path) -> Sandbox:
    """Make a folder with the study; all pairs are the same small models, which a dry run does not open."""
    pair = {"target": "./models/target", "draft": "./models/draft"}
    keys: dict[str, Any] = {
        "prompts": "prompts.csv",
        "collector": "assisted",
        "pairs": {f"pair-{number:02d}": pair for number in range(N_PAIRS)},
        "decodings": {
            "sampled": {"max_new_tokens": 100},
            "greedy": {"mode": "greedy", "max_new_tokens": 100},
        },
        "settings": [{"schedule": "constant", "num_assistant_tokens": list(range(1, N_SETTINGS + 1))}],
        "shards": {"number": N_GROUPS, "per_job": 1},
    }
    sandbox = prepare_study(folder, **keys)
    rows = [f"the person with number {number},group {number % 10}" for number in range(200)]
    (folder / "prompts.csv").write_text("\n".join(["text,group", *rows]) + "\n")
    return sandbox
