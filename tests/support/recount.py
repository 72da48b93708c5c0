"""The tables' numbers counted again, slowly, from lists of records and the definitions; no code is shared."""

from fractions import Fraction

from specgap.prompts import PromptSet
from tests.support.records import Record, RoundRecord, Trace

OVERALL_GROUP = "all prompts"


def judged(records: list[Record]) -> list[Record]:
    """Accepted and rejected tokens."""
    return [record for record in records if record.verdict in (0, 1)]


def members(prompts: PromptSet, grouping: str) -> dict[str, set[int]]:
    """Group to its prompts."""
    if grouping == "overall":
        return {OVERALL_GROUP: {row.prompt for row in prompts.rows}}
    groups: dict[str, set[int]] = {}
    for row in prompts.rows:
        for group in row.groups[grouping]:
            groups.setdefault(group, set()).add(row.prompt)
    return groups


def recount_acceptance(
    whole: Trace, prompts: set[int], ratio: float, cost_ratio: float
) -> dict[str, Fraction | int | None]:
    """Every count and rate of `acceptance.csv` for a group of prompts, exact."""
    records = [r for r in whole.records if r.prompt in prompts]
    rounds = [r for r in whole.rounds if r.prompt in prompts]
    seen = judged(records)
    accepted, rejected = [r for r in seen if r.verdict == 1], [r for r in seen if r.verdict == 0]
    rates = [rate for rate in (_rate(seen, prompt) for prompt in prompts) if rate is not None]
    overlaps = [min(max(r.overlap, 0.0), 1.0) for r in seen if r.overlap == r.overlap]
    entropies = [r.entropy for r in seen if r.entropy == r.entropy]
    severities = [max(0.0, 1 - r.p / r.q) if r.q else 0.0 for r in seen]
    return {
        "n_prompts": len(prompts),
        "n_prompts_unjudged": len(prompts) - len({r.prompt for r in seen}),
        "n_rounds": len(rounds),
        "n_drafted": len(records),
        "n_judged": len(seen),
        "n_accepted": len(accepted),
        "n_rejected": len(rejected),
        "n_discarded": len(records) - len(seen),
        "n_emitted": sum(r.emitted for r in rounds),
        "acceptance_rate": _share(len(accepted), len(seen)),
        "acceptance_rate_prompt_mean": _share(sum(rates), len(rates)),
        "draft_acceptance_rate": _share(len(accepted), len(records)),
        "token_acceptance_ratio": _share(len(accepted), sum(r.emitted for r in rounds)),
        "block_efficiency": _share(sum(r.emitted for r in rounds), len(rounds)),
        "gamma_mean": _share(len(records), len(rounds)),
        "modelled_speed_up": _speed_up(rounds, len(records), Fraction(cost_ratio)),
        "share_cut": _share(sum(r.censored == 1 for r in rounds), len(rounds)),
        "overlap": _fixed_mean(overlaps),
        "n_surer_accepted": sum(r.q > r.p for r in accepted),
        "n_surer_rejected": sum(r.q > r.p for r in rejected),
        "surer_rate": _share(sum(r.q > r.p for r in seen), len(seen)),
        "n_over_confident_accepted": sum(r.q > r.p and r.q >= ratio * r.p for r in accepted),
        "n_over_confident_rejected": sum(r.q > r.p and r.q >= ratio * r.p for r in rejected),
        "severity": _fixed_mean(severities),
        "entropy": _fixed_mean(entropies),
    }


def _rate(seen: list[Record], prompt: int) -> Fraction | None:
    own = [r for r in seen if r.prompt == prompt]
    return _share(sum(r.verdict == 1 for r in own), len(own))


def _speed_up(rounds: list[RoundRecord], n_drafted: int, cost_ratio: Fraction) -> Fraction | None:
    """Block efficiency / (mean drafted · c + 1)."""
    if not rounds:
        return None
    block_efficiency = Fraction(sum(r.emitted for r in rounds), len(rounds))
    return block_efficiency / (Fraction(n_drafted, len(rounds)) * cost_ratio + 1)


def _share(part: int | Fraction, whole: int) -> Fraction | None:
    return Fraction(part) / whole if whole else None


def _fixed_mean(values: list[float]) -> Fraction | None:
    """The mean of values rounded to multiples of 2⁻⁴⁰, as the design has it."""
    if not values:
        return None
    return Fraction(sum(round(Fraction(value) * 2**40) for value in values), len(values) * 2**40)
