"""The whole chain, run by Snakemake on a tiny study."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from specgap.names import file_name
from specgap.schema import Verdict
from tests.support.sandbox import Sandbox
from tests.workflow.conftest import PROMPTS, SETTINGS, STUDY, prepare_study, write_prompts

pytestmark = pytest.mark.slow
#: Cells with records: replayed, real rounds on some prompts, and greedy.
CELLS = ("sampled/heuristic-3", "sampled/heuristic-3-assisted", "greedy/heuristic-3")


def table(study: Sandbox, cell: str, name: str) -> pd.DataFrame:
    return pd.read_csv(study.results / "tables/tiny" / cell / name, keep_default_na=False)


def shards(study: Sandbox, kind: str, cell: str) -> pd.DataFrame:
    files = sorted((study.results / kind / "tiny" / cell).glob("*.parquet"))
    return pd.concat([pq.read_table(file).to_pandas() for file in files])


@pytest.mark.parametrize("cell", CELLS)
def test_every_count_of_the_table_can_be_recounted_from_the_shards(study: Sandbox, cell: str) -> None:
    prompts = pq.read_table(study.results / "study/prompts.parquet").to_pandas().explode("group")
    traced = shards(study, "traces", cell).merge(prompts.drop_duplicates(["prompt", "group"]), on="prompt")
    counts = pd.crosstab(traced["group"], traced["verdict"])
    for row in table(study, cell, "acceptance.csv").to_dict("records"):
        accepted, rejected = (
            counts.at[row["group"], verdict] for verdict in (Verdict.ACCEPTED, Verdict.REJECTED)
        )
        assert (row["n_accepted"], row["n_rejected"]) == (accepted, rejected)
        assert float(row["acceptance_rate"]) == accepted / (accepted + rejected)


def test_a_setting_with_a_limit_has_that_many_prompts_in_each_group(study: Sandbox) -> None:
    rows = table(study, CELLS[1], "acceptance.csv")
    assert list(rows["n_prompts"]) == [1, 1, 1]
    assert set(rows["pilot"].astype(str)) == {"1"}
    assert shards(study, "rounds", CELLS[1])["prompt"].nunique() == 3
    assert not list((study.results / "figures/tiny" / CELLS[1]).glob("*"))


def test_a_setting_that_is_only_counted_has_the_rates_that_its_records_would_have(copy: Sandbox) -> None:
    counted = table(copy, "sampled/constant-4", "acceptance.csv")
    assert not list(copy.results.glob("*/tiny/sampled/constant-4/*.parquet"))
    copy.write_config(**{**STUDY, "figures": {"settings": ["heuristic-3", "constant-4"]}})
    run = copy.snakemake("--", "results/tables/tiny/sampled/constant-4/acceptance.csv")
    assert run.code == 0, run.output
    assert list(copy.results.glob("traces/tiny/sampled/constant-4/*.parquet"))
    pd.testing.assert_frame_equal(table(copy, "sampled/constant-4", "acceptance.csv"), counted)


@pytest.mark.landing
def test_without_tails_what_needs_discarded_tokens_is_empty_and_says_so(copy: Sandbox) -> None:
    before = table(copy, "sampled/constant-4", "acceptance.csv")
    copy.write_config(**{**STUDY, "tails": "none"})
    run = copy.snakemake("--", "results/tables/tiny/sampled/constant-4/acceptance.csv")
    assert run.code == 0, run.output
    after = table(copy, "sampled/constant-4", "acceptance.csv")
    missing = ["n_drafted", "n_discarded", "draft_acceptance_rate", "gamma_mean", "modelled_speed_up"]
    assert set(after[missing].to_numpy().ravel()) == {""}
    assert all("tails: none" in note for note in after["note"])
    kept = ["n_rounds", "n_accepted", "n_rejected", "n_emitted", "acceptance_rate", "block_efficiency"]
    pd.testing.assert_frame_equal(after[kept], before[kept])


CARRIED = {"schedule": "heuristic", "num_assistant_tokens": 3, "carry_state": True}


@pytest.mark.landing
def test_carried_state_under_replay_is_transformers_own_when_greedy(copy: Sandbox) -> None:
    """The same rounds in the same order of prompts, from replay's one job and from assisted's."""
    greedy = {"mode": "greedy", "max_new_tokens": 10}
    settings = [*SETTINGS, CARRIED, {**CARRIED, "collector": "assisted"}]
    names = ["heuristic-3-carried", "heuristic-3-carried-assisted"]
    copy.write_config(
        **{**STUDY, "settings": settings, "decodings": {"greedy": greedy}, "figures": {"settings": names}}
    )
    done = [f"results/traces/tiny/greedy/{name}/carried.done.json" for name in names]
    run = copy.snakemake("--", *done)
    assert run.code == 0, run.output
    for kind in ("traces", "rounds"):
        replayed, real = (shards(copy, kind, f"greedy/{name}") for name in names)
        whole = [name for name in real if real[name].dtype.kind in "ui"]
        assert replayed["prompt"].nunique() == 7
        pd.testing.assert_frame_equal(replayed[whole], real[whole])


@pytest.mark.parametrize("cell", [CELLS[0], CELLS[2]])
def test_every_figure_of_the_original_is_there_by_name(study: Sandbox, cell: str) -> None:
    folder = study.results / "figures/tiny" / cell
    names = [f"probabilities_{which}" for which in ("accepted", "rejected", "both")]
    names += [f"likelihood_difference_{file_name(group)}" for group in ("women", "men", "they & them")]
    for name in names:
        assert (folder / f"{name}.png").stat().st_size > 5_000
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_figures_over_settings_are_there(study: Sandbox) -> None:
    folder = study.results / "figures/tiny/sampled/all"
    assert {"schedule_sweep.png", "schedule_state.png"} <= {file.name for file in folder.iterdir()}


def test_the_report_the_methods_and_the_references_are_there(study: Sandbox) -> None:
    assert "they &amp; them" in (study.results / "report.html").read_text()
    assert "models/target" in (study.results / "methods.md").read_text()
    assert "@" in (study.results / "references.bib").read_text()


@pytest.mark.landing
def test_measured_times_are_drawn_only_when_asked_for(copy: Sandbox) -> None:
    figure = "results/figures/tiny/sampled/all/measured_speed_up.png"
    assert not (copy.folder / figure).exists()
    run = copy.snakemake("--", figure)
    assert run.code == 0, run.output
    assert (copy.folder / figure).stat().st_size > 5_000
    rows = table(copy, "sampled/all", "measured_speed_up.csv")
    assert list(rows["n_prompts"]) == [1, 1, 1, 3]
    assert (rows["measured_speed_up"].astype(float) > 0).all()
    ran = copy.dry_run("results/figures/tiny/greedy/all/measured_speed_up.png")
    assert "decoding 'greedy' has no setting with collector assisted" in ran.output


@pytest.mark.landing
def test_what_a_study_costs_is_told_before_it_runs(copy: Sandbox) -> None:
    shutil.rmtree(copy.results)
    run = copy.snakemake("--", "estimate")
    assert run.code == 0, run.output
    assert re.search(r"^tiny +sampled +paths +2 ", run.output, flags=re.MULTILINE)
    assert re.search(r"^all +8 ", run.output, flags=re.MULTILINE)
    assert not list(copy.results.glob("[pt]*s/**/*.parquet"))


@pytest.mark.landing
def test_what_a_study_could_have_found_is_told_of_every_cell_with_figures(copy: Sandbox) -> None:
    run = copy.snakemake("--", "power")
    assert run.code == 0, run.output
    figures = copy.results / "figures"
    cells = [file.parent.relative_to(figures) for file in figures.glob("*/*/*/index.json")]
    drawn = [cell for cell in cells if cell.name != "all"]
    assert len(drawn) > 1
    for cell in drawn:
        assert f"{Path('results/tables', cell)}:" in run.output


def modified(study: Sandbox, pattern: str) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in sorted(study.results.glob(pattern))}


def changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return sorted(Path(file).name for file in after if before.get(file) != after[file])


def test_one_added_prompt_collects_one_shard_of_each_sample(copy: Sandbox) -> None:
    before = modified(copy, "paths/tiny/sampled/*.parquet")
    write_prompts(copy.folder / "prompts.csv", [*PROMPTS, ("they sang of", "they & them", "they", "sang of")])
    run = copy.snakemake("--", "results/aggregates/tiny/sampled/heuristic-3/state.rust_agg")
    assert run.code == 0, run.output
    collected = changed(before, modified(copy, "paths/tiny/sampled/*.parquet"))
    assert [name[:5] for name in collected] == ["s000-", "s001-"]


def test_a_regrouped_study_keeps_every_shard_and_its_counts(copy: Sandbox) -> None:
    before = modified(copy, "[pt]*s/**/*.parquet")
    everyone = {"name": "binary", "column": "group", "map": {"women": "binary", "men": "binary"}}
    copy.write_config(**{**STUDY, "groupings": ["group", everyone]})
    run = copy.snakemake("--", f"results/tables/tiny/{CELLS[0]}/acceptance--binary.csv")
    assert run.code == 0, run.output
    assert changed(before, modified(copy, "[pt]*s/**/*.parquet")) == []
    merged = table(copy, CELLS[0], "acceptance--binary.csv")
    assert (list(merged["group"]), list(merged["n_prompts"])) == (["binary"], [6])


def test_a_changed_title_redraws_only_the_figures_that_bear_it(copy: Sandbox) -> None:
    before = {file: file.read_bytes() for file in copy.results.glob("figures/tiny/**/*.png")}
    with copy.edited("config/figures.yaml", "title: Probabilities of accepted tokens", "title: Accepted"):
        run = copy.snakemake("--", "figures")
    assert run.code == 0, run.output
    changed_files = [file.name for file, content in before.items() if file.read_bytes() != content]
    assert set(changed_files) == {"probabilities_accepted.png"}


STATE = "results/aggregates/tiny/sampled/heuristic-3/state.rust_agg"


def counted_by(copy: Sandbox, jobs: int, **keys: object) -> tuple[bytes, list[str]]:
    """Count a cell of three trace jobs by so many jobs; return its state and the parts that were counted."""
    before = modified(copy, "aggregates/**/parts/*")
    copy.write_config(**{**STUDY, "samples": 3, "aggregate": {"jobs": jobs}, **keys})
    run = copy.snakemake("--", STATE)
    assert run.code == 0, run.output
    counted = changed(before, modified(copy, "aggregates/**/parts/*"))
    return (copy.folder / STATE).read_bytes(), [name.removesuffix(".rust_agg") for name in counted]


@pytest.mark.landing
def test_any_number_of_counting_jobs_gives_the_same_bytes_and_traces_nothing(copy: Sandbox) -> None:
    whole, parts = counted_by(copy, 1)
    assert parts == []
    traced = modified(copy, "traces/**/*")
    assert counted_by(copy, 2) == (whole, ["1-of-2", "2-of-2"])
    assert counted_by(copy, 5) == (whole, ["1-of-5", "2-of-5", "3-of-5"])
    assert changed(traced, modified(copy, "traces/**/*")) == []
    # Parts that are as they were are not counted again, nor does one more sample change all of them.
    assert counted_by(copy, 2) == (whole, [])
    assert counted_by(copy, 2, samples=4)[1] == ["2-of-2"]
    # Those that lie there from before a change are counted again, whatever was counted since.
    coarse, _ = counted_by(copy, 1, bins={"probability": 10})
    assert counted_by(copy, 2, bins={"probability": 10}) == (coarse, ["1-of-2", "2-of-2"])


@pytest.mark.landing
def test_another_number_of_counting_jobs_redraws_no_figure(copy: Sandbox) -> None:
    before = {file: file.read_bytes() for file in copy.results.glob("aggregates/**/state.rust_agg")}
    copy.write_config(**{**STUDY, "aggregate": {"jobs": 2}})
    run = copy.snakemake()
    assert run.code == 0, run.output
    assert len(modified(copy, "aggregates/**/parts/*-of-2.rust_agg")) == 4
    assert {file: file.read_bytes() for file in before} == before
    for log in ("draw_figures/tiny/sampled/heuristic-3", "draw_settings_figures/tiny/sampled"):
        assert (copy.results / f"logs/{log}.log").read_text().startswith("0 figures drawn, ")


def test_a_damaged_shard_of_paths_is_named_and_then_replaced(copy: Sandbox) -> None:
    shard = next((copy.results / "paths/tiny/sampled").glob("*.parquet"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-7])
    cell = "results/aggregates/tiny/sampled/constant-4/state.rust_agg"
    refused = copy.snakemake("--forcerun", "replay", "--", cell)
    assert refused.code == 1
    assert shard.name in refused.output
    assert copy.snakemake("--forcerun", "collect_paths", "--", cell).code == 0
    assert shard.read_bytes() == whole


@pytest.mark.landing
def test_a_damaged_shard_is_named_and_then_replaced(copy: Sandbox) -> None:
    shard = next((copy.results / "traces/tiny/greedy/heuristic-3").glob("*.parquet"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-7])
    cell = "results/aggregates/tiny/greedy/heuristic-3/state.rust_agg"
    refused = copy.snakemake("--forcerun", "aggregate", "--", cell)
    assert refused.code == 1
    assert shard.name in refused.output
    assert copy.snakemake("--forcerun", "replay_records", "--", cell).code == 0
    assert shard.read_bytes() == whole


def test_pairs_are_held_side_by_side_where_a_study_has_two_of_them(tmp_path: Path) -> None:
    sandbox = prepare_study(tmp_path / "study")
    figure = "results/study/figures/sampled/pairs_overview.png"
    assert not {"tabulate_pairs", "draw_pairs_figures"} & set(sandbox.dry_run().job_counts())
    assert sandbox.dry_run(figure).code != 0
    pairs = {
        name: {"target": "./models/target", "draft": f"./models/{draft}"}
        for name, draft in (("tiny", "draft"), ("twin", "target"))
    }
    sandbox.write_config(**{**STUDY, "pairs": pairs})
    counts = sandbox.dry_run().job_counts()
    assert (counts["tabulate_pairs"], counts["draw_pairs_figures"]) == (2, 2)
    alone = sandbox.dry_run(figure).job_counts()
    assert (alone["tabulate_pairs"], alone["draw_pairs_figures"]) == (1, 1)
    assert not {"tabulate_cell", "draw_figures"} & set(alone)
