"""The study that is measured: the embedded one, sampled, all of its settings but the cross-check."""

import json
from pathlib import Path
from typing import Any

from specgap.config import Study, parse
from specgap.models import train_demo_pair
from specgap.models.demo import SEED
from specgap.prompts import PromptSet, limited, load_prompts
from specgap.validation import read_yaml

CONFIG = Path("config/config.yaml")
PAIR, DECODING = "demo", "sampled"
#: Settings that real rounds are run for; the others are taken to cost as much.
ASSISTED = ("heuristic-5", "constant-5", "constant-20")
#: Prompts per group that real rounds are run for: 200 at least in all.
LIMIT = 26


def embedded(results: Path, **changes: Any) -> Study:
    """Return the embedded study with its results in a folder of their own."""
    raw = read_yaml(CONFIG)
    raw["settings"] = [entry for entry in raw["settings"] if "collector" not in entry]
    # A shard is what a batch is made of, and here all of a sample; one thread, as everywhere below.
    raw |= {"results": str(results), "shards": {"number": 1, "per_job": 1}, **changes}
    return parse(json.loads(json.dumps(raw)), source=str(CONFIG))


def prompts_of(study: Study, limit: int | None = None) -> PromptSet:
    """Return all prompts, or so many of each group."""
    return limited(load_prompts(study), limit)


def train_if_missing() -> None:
    """Train the embedded pair where it is not there yet, as the workflow does."""
    study = embedded(Path("unused"))
    pair = study.pairs[PAIR]
    target, draft = Path(pair.target.source), Path(pair.draft.source)
    if not all((folder / "model.safetensors").exists() for folder in (target, draft)):
        train_demo_pair(load_prompts(study).texts.values(), target, draft, seed=SEED, log=print)
