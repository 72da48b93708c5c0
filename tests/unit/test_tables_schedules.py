"""Which schedule serves whom best, how γ moves, what an order of the groups does: on counts made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from specgap.config import OVERALL, parse
from specgap.prompts import PromptSet, prompt_id
from specgap.schema import ROUNDS
from specgap.tables.acceptance import modelled_speed_up
from specgap.tables.best import Swept, best_schedule
from specgap.tables.cost import cost_ratio, parameter_ratio
from specgap.tables.counts import Counts
from specgap.tables.membership import groups_in
from specgap.tables.names import cross_checks, order_setting, settings_tables, state_setting
from specgap.tables.orders import group_orders, order_effect
from specgap.tables.schedule_state import schedule_state
from tests.support.records import prompt_set, row
from tests.support.synthetic_settings import DENSE, Fates, prompts_of, setting_of

pytestmark = pytest.mark.slow

TWO = prompt_set(row("she", "female"), row("her", "female"), row("he", "male"), row("him", "male"))
SHE, HER, HE, HIM = TWO.distinct


def both(prompts: PromptSet) -> dict:
    return {name: groups_in(prompts, name) for name in ("category", OVERALL)}


def counts(emitted: int, drafted: int, rounds: int) -> Counts:
    accepted = emitted - rounds
    return Counts(rounds=rounds, emitted=emitted, accepted=accepted, discarded=drafted - accepted)


def swept(name: str, female: Counts, male: Counts, **how: bool) -> Swept:
    return Swept(setting_of(name), {SHE: female, HER: female, HE: male, HIM: male}, **how)


def best(*settings: Swept, cost: float | None = 0.1) -> pd.DataFrame:
    table = best_schedule(settings, both(TWO), mode="sampled", cost_ratio=cost)
    return table.set_index(["among", "group"])


ONE = swept("constant-1", counts(18, 10, 10), counts(15, 10, 10))
FOUR = swept("constant-4", counts(36, 40, 10), counts(16, 40, 10))
NINE = swept("constant-9", counts(40, 90, 10), counts(16, 90, 10))


def test_each_group_has_its_own_best_and_loses_at_the_common_one() -> None:
    table = best(ONE, FOUR, NINE)
    female, male, everyone = (table.loc[("constant", name)] for name in ("female", "male", "all prompts"))
    assert (female["best_setting"], male["best_setting"]) == ("constant-4", "constant-1")
    assert everyone["average_setting"] == female["average_setting"] == "constant-4"
    assert female["best_speed_up"] == pytest.approx(3.6 / (4 * 0.1 + 1))
    assert female["loss_percent"] == everyone["loss_percent"] == 0
    assert male["best_speed_up"] == pytest.approx(1.5 / 1.1)
    assert male["average_speed_up"] == pytest.approx(1.6 / 1.4)
    assert male["loss_percent"] == pytest.approx(100 * (1 - (1.6 / 1.4) / (1.5 / 1.1)))


def test_heuristic_settings_stand_among_all_and_not_among_constant_ones() -> None:
    table = best(ONE, FOUR, swept("heuristic-5", counts(60, 20, 10), counts(60, 20, 10)))
    assert table.loc[("constant", "male")]["best_setting"] == "constant-1"
    assert table.loc[("all settings", "male")]["best_setting"] == "heuristic-5"
    assert table["n_settings"].groupby("among").first().to_dict() == {"all settings": 3, "constant": 2}


def test_settings_that_carry_gamma_and_those_of_unknown_drafts_are_nobodys_best() -> None:
    great = counts(90, 10, 10)
    carried = swept("heuristic-5-carried", great, great)
    unknown = swept("constant-2", great, great, has_drafted=False)
    table = best(ONE, carried, unknown)
    assert set(table["best_setting"]) == {"constant-1"}
    assert set(table["n_settings"]) == {1}


def test_of_equal_constant_settings_the_least_gamma_is_the_best() -> None:
    same = counts(20, 10, 10)
    table = best(swept("constant-40", same, same), swept("constant-30", same, same))
    assert set(table.loc["constant"]["best_setting"]) == {"constant-30"}
    assert set(table.loc["all settings"]["best_setting"]) == {"constant-40"}


def test_gammas_within_one_percent_are_as_good_while_none_between_is_worse() -> None:
    speeds = {1: 1.995, 2: 1.0, 3: 1.99, 4: 2.0, 5: 1.985, 6: 1.97}
    settings = [
        swept(f"constant-{n}", *[counts(round(speed * 10_000), 0, 10_000)] * 2) for n, speed in speeds.items()
    ]
    table = best(*settings)
    assert set(table.loc["constant"]["near_best_low"]) == {3}
    assert set(table.loc["constant"]["near_best_high"]) == {5}
    assert table.loc["all settings"]["near_best_low"].isna().all()


@pytest.mark.parametrize(
    ("settings", "cost", "why"),
    [
        ([ONE], None, "no cost ratio given"),
        ([swept("constant-1", *[counts(18, 10, 10)] * 2, has_drafted=False)], 0.1, "discarded tokens not"),
        ([swept("heuristic-5", *[counts(18, 10, 10)] * 2)], 0.1, "no constant setting"),
    ],
)
def test_where_there_is_no_best_setting_a_note_says_why(
    settings: list[Swept], cost: float | None, why: str
) -> None:
    table = best(*settings, cost=cost).loc["constant"]
    assert table["best_setting"].isna().all()
    assert table["note"].str.contains(why).all()


def test_the_error_of_a_loss_covers_what_new_prompts_would_give() -> None:
    """Loss between two fixed settings, over prompts drawn again and again."""
    rng = np.random.default_rng(4)
    losses, errors = [], []
    one, four = setting_of("constant-1"), setting_of("constant-4")
    for _ in range(300):
        ease = rng.beta(5, 4, 40)
        emitted = [rng.binomial(200, rate) + 100 for rate in ease]
        at_one = {n: counts(e, 100, 100) for n, e in enumerate(emitted)}
        at_four = {n: counts(e + 20, 400, 100) for n, e in enumerate(emitted)}
        prompts = prompt_set(*(row(f"p{n}", "g", term=f"t{n}") for n in range(40)))
        ids = dict(zip(range(40), prompts.distinct, strict=True))
        settings = [
            Swept(setting, {ids[n]: c for n, c in by.items()})
            for setting, by in ((one, at_one), (four, at_four))
        ]
        # The common best is constant-1; a group that always gets constant-4 would lose this much.
        table = best_schedule(settings, both(prompts), mode="sampled", cost_ratio=0.1)
        losses.append(_loss(at_one, at_four))
        errors.append(_se_of_loss(settings, prompts))
        assert set(table["average_setting"]) == {"constant-1"}
    print(f"spread of losses {np.std(losses):.3f}, mean standard error {np.mean(errors):.3f}")
    assert np.mean(errors) == pytest.approx(np.std(losses), rel=0.15)


def _loss(at_one: dict[int, Counts], at_four: dict[int, Counts]) -> float:
    speeds = [modelled_speed_up(sum(by.values(), Counts()), 0.1) or 0.0 for by in (at_one, at_four)]
    return 100 * (1 - speeds[1] / speeds[0])


def _se_of_loss(settings: list[Swept], prompts: PromptSet) -> float:
    from specgap.tables.best import _loss as loss

    [group] = groups_in(prompts, "category")
    return float(loss(settings[0], settings[1], group, 0.1)["loss_percent_se"])


# Cost ------------------------------------------------------------------------------------------------

FACTS = {"target": {"n_parameters": 400}, "draft": {"n_parameters": 100}}


def test_the_cost_ratio_is_that_of_parameters_unless_the_config_says_another() -> None:
    assert parameter_ratio(FACTS) == cost_ratio(parse({}, source="test"), FACTS) == 0.25
    assert cost_ratio(parse({"cost_ratio": 0.1}, source="test"), FACTS) == 0.1


# γ over rounds ---------------------------------------------------------------------------------------


def rounds_file(path: Path, *sequences: tuple[int, int, list[int]]) -> Path:
    rows = [
        (prompt, sample, number, gamma, 0, 0, 1, 7, 0.5, 0)
        for prompt, sample, gammas in sequences
        for number, gamma in enumerate(gammas)
    ]
    columns = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), ROUNDS, strict=True)]
    pq.write_table(pa.table(columns, schema=ROUNDS), path)
    return path


def state(*files: Path) -> pd.DataFrame:
    return schedule_state(files, setting="heuristic-5", mode="sampled", pilot=None)


def test_gamma_by_round_is_counted_over_all_sequences_in_whole_numbers(tmp_path: Path) -> None:
    one = rounds_file(tmp_path / "a.parquet", (1, 0, [5, 7, 9]), (2, 0, [5, 4]))
    other = rounds_file(tmp_path / "b.parquet", (1, 1, [5, 7]), (3, 0, [5]))
    table = state(one, other)
    every = table[table["series"] == "all"]
    assert every["n"].tolist() == [4, 3, 1]
    assert every["requested_mean"].tolist() == [5.0, 6.0, 9.0]
    assert every["requested_median"].tolist() == [5, 7, 9]
    assert every["requested_p05"].tolist() == [5, 4, 9]
    assert state(other, one).equals(table), "no order of files shows"


def test_quantiles_of_gamma_are_those_of_the_sorted_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    values = rng.integers(1, 40, 311)
    path = rounds_file(tmp_path / "a.parquet", *((n, 0, [int(v)]) for n, v in enumerate(values)))
    [found] = state(path)[lambda table: table["series"] == "all"].to_dict("records")
    for name, level in (("p05", 0.05), ("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p95", 0.95)):
        assert found[f"requested_{name}"] == np.quantile(values, level, method="inverted_cdf"), name


def test_the_examples_are_the_first_continuations_of_the_six_least_ids(tmp_path: Path) -> None:
    ids = [2**64 - 1, 9, 3, 8, 5, 2**63, 7, 4]
    path = rounds_file(
        tmp_path / "a.parquet", *((i, sample, [5, 4 + sample]) for i in ids for sample in (0, 1))
    )
    table = state(path)
    examples = table[table["series"] == "example"]
    assert list(dict.fromkeys(examples["prompt"])) == [str(i) for i in sorted(ids)[:6]]
    assert set(examples["sample"]) == {0}
    assert examples["requested"].tolist() == [5, 4] * 6


# Orders of the groups --------------------------------------------------------------------------------


def test_orders_are_different_seeded_and_keep_the_listed_order_within_a_group() -> None:
    prompts = prompts_of(dict.fromkeys("abcde", (2, 2)))
    orders = group_orders(prompts, np.random.default_rng(7))
    assert len({order.groups for order in orders}) == len(orders) == 20
    assert orders == group_orders(prompts, np.random.default_rng(7))
    assert orders != group_orders(prompts, np.random.default_rng(8))
    members = {group.name: group.prompts for group in groups_in(prompts, "category")}
    for order in orders:
        assert list(order.prompts) == [prompt for group in order.groups for prompt in members[group]]


def test_few_groups_have_all_their_orders_and_a_prompt_of_two_groups_comes_once() -> None:
    prompts = prompt_set(row("they", "a", "b"), row("he", "b"), row("it"))
    orders = group_orders(prompts, np.random.default_rng(1))
    they, he, it = prompts.distinct
    assert {order.groups: order.prompts for order in orders} == {
        ("a", "b"): (they, he, it),
        ("b", "a"): (they, he, it),
    }


def test_order_effect_has_the_fixed_instrument_and_every_order_of_every_group() -> None:
    prompts = prompts_of({"a": (2, 3), "b": (1, 3), "c": (1, 2)})
    fates, orders = Fates(prompts), group_orders(prompts, np.random.default_rng(1))
    carried, reset = setting_of("heuristic-5-carried"), setting_of("heuristic-5")
    by_order = [(order, fates.counts(carried, order.prompts)) for order in orders]
    fixed = fates.counts(reset, prompts.distinct)
    table = order_effect(by_order, fixed, groups_in(prompts, "category"), setting="x", mode="sampled")
    assert table["series"].tolist() == ["reset"] * 3 + ["carried"] * 18
    for number, (order, found) in enumerate(by_order, start=1):
        rows = table[table["order"] == number].set_index("group")
        assert sorted(rows["n_groups_before"]) == [0, 1, 2]
        assert rows["n_groups_before"].idxmin() == order.groups[0]
        for group in groups_in(prompts, "category"):
            n = sum((found[prompt] for prompt in group.prompts), Counts())
            assert rows.loc[group.name, "draft_acceptance_rate"] == n.accepted / n.drafted
    assert table["draft_acceptance_rate"].nunique() > 3, "orders do move these rates"


# What a study has ------------------------------------------------------------------------------------


def study(*settings: dict, **more: object) -> object:
    return parse({"settings": list(settings), **more}, source="test")


CONSTANT = {"schedule": "constant", "num_assistant_tokens": 5}
HEURISTIC = {"schedule": "heuristic", "num_assistant_tokens": 5}
REAL = {**HEURISTIC, "collector": "assisted", "limit": 3}


def test_tables_over_settings_are_there_only_where_they_have_something_to_show() -> None:
    always = ["settings", "histograms", "best_schedule"]
    assert settings_tables(study(CONSTANT), "sampled") == always
    assert settings_tables(study(CONSTANT, HEURISTIC), "sampled") == [
        *always,
        "schedule_state",
        "order_effect",
    ]
    assert settings_tables(study(CONSTANT, HEURISTIC, REAL), "sampled") == [
        *always,
        "cross_check",
        "schedule_state",
        "order_effect",
    ]
    assert settings_tables(study(HEURISTIC, collector="assisted"), "sampled") == [*always, "schedule_state"]
    assert "order_effect" not in settings_tables(study(HEURISTIC, tails="none"), "sampled")


def test_a_decoding_has_the_tables_of_its_own_settings() -> None:
    decodings = {"sampled": {}, "greedy": {"mode": "greedy", "settings": ["constant-5"]}}
    chosen = study(CONSTANT, HEURISTIC, REAL, decodings=decodings)
    assert "cross_check" in settings_tables(chosen, "sampled")
    assert settings_tables(chosen, "greedy") == ["settings", "histograms", "best_schedule"]


def test_cross_checks_pair_a_replayed_setting_with_its_like() -> None:
    other = {**CONSTANT, "num_assistant_tokens": 7, "collector": "assisted"}
    pairs = cross_checks(study(CONSTANT, HEURISTIC, REAL, other), "sampled")
    assert [(one.name, two.name) for one, two in pairs] == [("heuristic-5", "heuristic-5-assisted")]


def test_the_heuristic_setting_that_is_shown_is_one_with_figures() -> None:
    more = {**HEURISTIC, "num_assistant_tokens": 3}
    chosen = study(more, HEURISTIC, figures={"settings": ["heuristic-5"]})
    assert getattr(state_setting(chosen, "sampled"), "name", None) == "heuristic-5"
    assert getattr(order_setting(chosen, "sampled"), "name", None) == "heuristic-5"
    swept_only = study(CONSTANT, HEURISTIC, figures={"settings": ["constant-5"]})
    assert state_setting(swept_only, "sampled") is None, "it keeps no rounds"
    assert getattr(order_setting(swept_only, "sampled"), "name", None) == "heuristic-5"


def test_the_dense_sweep_of_the_figures_tests_is_a_dense_one() -> None:
    assert len({setting_of(name).name for name in DENSE}) == len(DENSE) == 51
    assert prompt_id("she") == SHE
