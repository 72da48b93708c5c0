"""One acceptance under many schedules, equal hazards under two γ, a tiny vocabulary: what must not differ.

statistics.md, ground truths 8 to 11. A prompt is a world of its own here: all are drawn alike.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

import rust_agg
from specgap.settings import Model, Pair
from specgap.simulate import World
from specgap.stats.layout import Floats
from specgap.stats.positions import standardised_rates
from specgap.tables.counts import Counts
from specgap.tables.from_state import prompt_counts
from specgap.trace import verify
from tests.support.bands import BAND, chi_square_p
from tests.support.markov import markov_pair
from tests.support.markov_replay import LAWS, SETTINGS
from tests.support.measured import WORLDS, Measured
from tests.support.real_rounds import MarkovRun, markov_run
from tests.support.replaying import endless_tails
from tests.support.tracing import load

pytestmark = pytest.mark.simulation

PROMPTS = 5 * WORLDS
ALPHA = 0.7
#: Every prompt has the same acceptance, α, at every token.
ONE_ALPHA = World(
    terms=(("all", PROMPTS // 20),),
    templates=20,
    base=float(np.log(ALPHA / (1 - ALPHA))),
    template_sd=0.0,
    prompt_sd=0.0,
    max_new_tokens=64,
)


def counted(**settings: rust_agg.Replay) -> dict[str, Sequence[Counts]]:
    """Return what each setting counts of the very same paths, prompt by prompt; no draft ends a text."""
    paths = ONE_ALPHA.paths(8)
    tails = endless_tails(paths, list(settings.values()), max_new_tokens=ONE_ALPHA.max_new_tokens, eos=[])
    found = ONE_ALPHA.states(paths, settings, tails)
    return {name: list(prompt_counts(state).values()) for name, state in found.items()}


def rate(counts: Sequence[Counts], whole: str) -> float:
    """Return ΣA / Σ of another count over all prompts."""
    return sum(one.accepted for one in counts) / sum(getattr(one, whole) for one in counts)


def test_one_acceptance_is_one_rate_per_judged_token_under_every_schedule() -> None:
    found = counted(
        **{f"constant-{gamma}": rust_agg.Replay("constant", gamma) for gamma in (1, 5, 20)},
        heuristic=rust_agg.Replay("heuristic", 5),
    )
    judged = [rate(counts, "judged") - ALPHA for counts in found.values()]
    means = [np.mean([one.accepted / one.judged for one in counts]) - ALPHA for counts in found.values()]
    drafted = [rate(counts, "drafted") for counts in found.values()]
    name = "one α under γ of 1, 5 and 20 and the heuristic"
    for quantity, errors in (("judged", judged), ("prompt mean", means)):
        Measured(name, f"largest error of {quantity}", float(np.abs(errors).max()), 0, 0.01, PROMPTS).hold()
    Measured(name, "spread of accepted / drafted", float(np.ptp(drafted)), 0.3, 1, PROMPTS, guard=True).hold()


def test_a_carried_gamma_leaves_the_rate_per_judged_token_as_it_is() -> None:
    order = [row.prompt for row in ONE_ALPHA.prompts.rows]
    found = counted(
        fresh=rust_agg.Replay("heuristic", 20), carried=rust_agg.Replay("heuristic", 20, order=order)
    )
    judged, drafted = (
        rate(found["carried"], whole) - rate(found["fresh"], whole) for whole in ("judged", "drafted")
    )
    name = "one α, γ carried from prompt to prompt"
    Measured(name, "carried − fresh, judged", judged, -0.01, 0.01, PROMPTS).hold()
    Measured(name, "carried − fresh, accepted / drafted", drafted, 0.1, 1, PROMPTS, guard=True).hold()


def rounds(gamma: int, hazards: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return judged and accepted tokens by position of 50 rounds of each prompt, (prompts, positions)."""
    accepted = rng.random((PROMPTS, 50, gamma)) < hazards[:gamma]
    reached = np.cumprod(accepted, axis=2)
    judged = np.ones_like(reached)
    judged[:, :, 1:] = reached[:, :, :-1]
    tables = np.zeros((2, PROMPTS, len(hazards)))
    tables[0, :, :gamma], tables[1, :, :gamma] = judged.sum(axis=1), reached.sum(axis=1)
    return tables[0], tables[1], np.arange(PROMPTS)


def test_equal_hazards_under_different_gamma_are_equal_once_standardised() -> None:
    hazards, rng = 0.84 - 0.035 * np.arange(8), np.random.default_rng(10)
    groups = [rounds(gamma, hazards, rng) for gamma in (3, 8)]
    judged = [a.sum() / q.sum() for q, a, _ in groups]
    found = standardised_rates(groups)
    standardised = [band.value or 0.0 for band in found.groups]
    assert found.reached.tolist() == [0, 1, 2]
    name = "equal hazards that fall along the draft, γ of 3 and 8"
    apart = standardised[0] - standardised[1]
    Measured(name, "standardised rates differ by", apart, -0.005, 0.005, PROMPTS).hold()
    Measured(name, "judged rates differ by", judged[0] - judged[1], 0.02, 1, PROMPTS, guard=True).hold()


LAW, SETTING = LAWS["six states"], SETTINGS["constant-3"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> object:
    made = markov_pair(tmp_path_factory.mktemp("pair"), LAW.target, LAW.draft, LAW.eos)
    return load(Pair(target=Model(source=str(made.target)), draft=Model(source=str(made.draft))))


def emitted_p(run: MarkovRun) -> float:
    return chi_square_p("emitted tokens follow p", run.transitions, run.law.target)


def from_overlap(run: MarkovRun) -> Mapping[str, float]:
    """Return how many standard errors flag and min(1, p/q) are from the overlap in the mean of judged tokens.

    Given the past their differences have mean 0: the sums are martingales.
    """
    judged = run.judged
    flag, overlap = (judged.verdict == 1).to_numpy(float), judged.overlap.to_numpy(float)
    ratio = np.minimum(1, judged.p.to_numpy(float) / judged.q.to_numpy(float))
    gaps = {"accepted": flag - overlap, "min(1, p/q)": ratio - overlap}
    return {name: float(gap.sum() / np.sqrt((gap**2).sum())) for name, gap in gaps.items()}


def test_speculative_sampling_emits_the_targets_tokens_and_accepts_its_overlap(
    pair: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = markov_run(pair, LAW, SETTING, PROMPTS)  # type: ignore[arg-type]
    name = "six tokens, p and q known"
    Measured(name, "p of χ², emitted tokens follow p", emitted_p(run), 0.001, 1, PROMPTS).hold()
    for quantity, z in from_overlap(run).items():
        Measured(name, f"{quantity} − overlap (SE)", z, -BAND, BAND, PROMPTS).hold()
    rejected = run.traces.query("verdict == 0")
    surer = float((rejected.p >= rejected.q).sum())
    Measured(name, "rejected tokens with p ≥ q", surer, 0, 0, PROMPTS).hold()
    monkeypatch.setattr(verify, "accepts", lambda u, p, q: u**2 * q < p)
    easy = markov_run(pair, LAW, SETTING, PROMPTS)  # type: ignore[arg-type]
    Measured(name, "p of χ², acceptance too easy", emitted_p(easy), 0, 1e-6, PROMPTS, guard=True).hold()
    z = from_overlap(easy)["accepted"]
    Measured(name, "accepted − overlap (SE), acceptance too easy", z, BAND, 1e6, PROMPTS, guard=True).hold()
