"""Loaded pairs of unlike architectures, tiny, whose models agree at times, and prompts for them."""

import atexit
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from specgap.models import ReadyPair
from specgap.settings import Model, Pair
from tests.support.markov import markov_pair
from tests.support.markov_runs import DRAFT, EOS, TARGET
from tests.support.tiny_models import gpt2_shaped_folder, gpt_neo_shaped_folder, random_pair
from tests.support.tracing import load

#: Prompts of one to seven tokens, an EOS inside one of them; ids that every family has.
PROMPTS: tuple[list[int], ...] = (
    *([4], [0, 1, 2], [3, 1], [2, 5, 4, 0], [1], [0, 4, 3, 2, 1, 0, 2], [2, 2], [3]),
    *([0, 0], [4, 3, 1], [1, 2, 3, 4, 0], [4, 4], [3, 3, 3], [2, 1, 0, 3], [0, 3]),
)
#: `gpt-neo` attends within a window, which texts here exceed: it goes in batches of one length.
FAMILIES = ("markov", "llama", "gpt2", "gpt-neo")


@cache
def family(name: str) -> ReadyPair:
    """Return a pair of a family, the same object each time."""
    folder = Path(mkdtemp(prefix=f"specgap-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if name == "markov":
        made = markov_pair(folder, TARGET, DRAFT, EOS)
        return load(Pair(target=Model(source=str(made.target)), draft=Model(source=str(made.draft))))
    if name == "llama":
        # Several ends, so that texts end in their middle under greedy decoding too.
        return replace(load(random_pair(folder, seed=1, draft_noise=0.2)), eos_token_ids=(1, 10, 22, 30))
    shaped = {"gpt2": gpt2_shaped_folder, "gpt-neo": gpt_neo_shaped_folder}[name]
    target = shaped(folder / "target", 3)
    draft = shaped(folder / "draft", 4, near=target)
    pair = load(Pair(target=Model(source=str(target)), draft=Model(source=str(draft))))
    return replace(pair, eos_token_ids=(*pair.eos_token_ids, 22, 40, 174, 272, 307))
