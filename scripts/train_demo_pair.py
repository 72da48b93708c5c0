"""Train the embedded pair of models on the CPU."""

from pathlib import Path

import typer

from specgap.config import Study
from specgap.errors import one_sentence
from specgap.models import train_demo_pair
from specgap.models.demo import SEED
from specgap.prompts import load_prompts
from specgap.trace.progress import say


def main(prompts: str, target: Path, draft: Path) -> None:
    texts = load_prompts(Study.model_validate({"prompts": prompts})).texts
    train_demo_pair(texts.values(), target, draft, seed=SEED, log=say)


if __name__ == "__main__":
    with one_sentence():
        typer.run(main)
