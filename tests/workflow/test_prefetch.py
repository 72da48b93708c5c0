"""What needs a network is fetched first; all other jobs run where there is none. Against a stand-in hub."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.hub import Hub, commit_of, standin_hub
from tests.support.sandbox import Sandbox, make_sandbox
from tests.support.tiny_models import gpt2_shaped_folder
from tests.workflow.conftest import PROMPTS, STUDY, write_prompts

pytestmark = pytest.mark.landing

#: The tiny study, with models and prompts of the hub; a branch may be named or not.
FROM_HUB = {
    **STUDY,
    "samples": 1,
    "decodings": {"sampled": {"max_new_tokens": 10}},
    "prompts": {"dataset": "someone/prompts"},
    "pairs": {"tiny": {"target": "someone/target", "draft": {"source": "someone/draft", "revision": "main"}}},
}
FETCHED = {"fetch_model": 2, "fetch_dataset": 1, "environment": 2, "prefetch": 1}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    target = gpt2_shaped_folder(folder / "target", 1)
    draft = gpt2_shaped_folder(folder / "draft", 2, near=target)
    for model in (target, draft):
        (model / "pytorch_model.bin").write_bytes(b"a pickle that is not wanted")
        (model / "onnx").mkdir()
        (model / "onnx/config.json").write_text("{}")
    (folder / "prompts").mkdir()
    write_prompts(folder / "prompts/train.csv", PROMPTS)
    with standin_hub() as hub:
        hub.repositories = {
            "models/someone/target": target,
            "models/someone/draft": draft,
            "datasets/someone/prompts": folder / "prompts",
        }
        yield hub


@pytest.fixture(scope="module")
def fetched(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A study whose prefetch has run: look, do not touch."""
    folder = tmp_path_factory.mktemp("fetched")
    sandbox = make_sandbox(folder / "study")
    sandbox = dataclasses.replace(sandbox, environment=hub.environment(folder / "hf"))
    sandbox.write_config(**FROM_HUB)
    sandbox.draw_few()
    run = sandbox.snakemake("--", "prefetch")
    assert run.code == 0, run.output
    assert run.job_counts() == FETCHED
    return sandbox


@pytest.fixture
def copy(fetched: Sandbox, tmp_path: Path) -> Sandbox:
    """A copy of the study and of what lies in the cache, to be changed and run."""
    shutil.copytree(fetched.folder, tmp_path / "study")
    shutil.copytree(fetched.environment["HF_HOME"], tmp_path / "hf", symlinks=True)
    return Sandbox(tmp_path / "study", {**fetched.environment, "HF_HOME": str(tmp_path / "hf")})


def test_commits_are_recorded_and_what_nobody_reads_is_not_fetched(fetched: Sandbox, hub: Hub) -> None:
    records = [json.loads(f.read_text()) for f in (fetched.folder / "resources/models/hub").iterdir()]
    found = {record["source"]: record["commit"] for record in records}
    assert found == {
        f"someone/{m}": commit_of(hub.repositories[f"models/someone/{m}"]) for m in ("target", "draft")
    }
    (origin,) = (fetched.folder / "resources/datasets").glob("*.origin.json")
    assert json.loads(origin.read_text())["commit"] == commit_of(hub.repositories["datasets/someone/prompts"])
    names = {file.name for file in Path(fetched.environment["HF_HOME"]).rglob("snapshots/*/*")}
    assert "model.safetensors" in names
    assert not {"pytorch_model.bin", "onnx"} & names


def test_after_prefetch_the_whole_study_runs_without_a_route_at_the_recorded_commits(
    copy: Sandbox, hub: Hub
) -> None:
    run = copy.snakemake_without_network()
    assert run.code == 0, run.output
    assert not {"fetch_model", "fetch_dataset", "build_rust_agg"} & set(run.job_counts())
    commit = commit_of(hub.repositories["models/someone/target"])
    (shard, *_) = copy.results.glob("paths/tiny/sampled/*.parquet")
    facts = json.loads(pq.read_schema(shard).metadata[b"specgap"])["pair"]
    assert (facts["target"]["source"], facts["target"]["revision"]) == ("someone/target", commit)
    methods = (copy.results / "methods.md").read_text()
    assert commit in methods
    assert commit_of(hub.repositories["datasets/someone/prompts"]) in methods


def test_a_branch_that_moves_changes_nothing_until_the_hub_is_asked_again(copy: Sandbox, hub: Hub) -> None:
    done = "results/prompts/tiny.parquet"
    assert copy.snakemake("--", done).code == 0
    readme = hub.repositories["models/someone/target"] / "README.md"
    readme.write_text("moved")
    try:
        asked = len(hub.asked)
        assert "Nothing to be done" in copy.snakemake("--", done).output
        assert hub.asked[asked:] == []
        assert copy.snakemake("--forcerun", "fetch_model", "--", "prefetch").code == 0
        assert copy.dry_run(done).job_counts() == {"measure_prompts": 1}
    finally:
        readme.unlink()


def test_a_cache_that_has_lost_the_model_is_one_sentence_with_the_remedy(copy: Sandbox) -> None:
    shutil.rmtree(Path(copy.environment["HF_HOME"]) / "hub")
    run = copy.snakemake_without_network("--", "results/prompts/tiny.parquet")
    assert run.code == 1
    assert "is not in the local cache" in run.output
    assert "snakemake prefetch --forcerun fetch_model" in run.output
    assert "Traceback" not in run.output


def test_a_gated_model_without_a_token_is_one_sentence_with_its_page(copy: Sandbox, hub: Hub) -> None:
    gated = gpt2_shaped_folder(copy.folder / "gated", 3)
    hub.repositories["models/someone/gated"] = gated
    hub.gated.add("models/someone/gated")
    copy.write_config(
        **{**FROM_HUB, "pairs": {"tiny": {"target": "someone/gated", "draft": "someone/draft"}}}
    )
    run = copy.snakemake("--", "prefetch")
    assert run.code == 1
    assert (
        "hub model someone/gated is gated; accept its terms at https://huggingface.co/someone/gated"
        in run.output
    )
    assert "Traceback" not in run.output
    assert not [f for f in (copy.folder / "resources/models/hub").iterdir() if "gated" in f.name]


@pytest.mark.parametrize(
    ("source", "said"),
    [("someone/unknown", "is unknown or private"), ("someone/pickled", "has no safetensors weights")],
)
def test_what_cannot_be_had_from_the_hub_is_said_by_prefetch(
    copy: Sandbox, hub: Hub, source: str, said: str
) -> None:
    pickled = gpt2_shaped_folder(copy.folder / "pickled", 3)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    hub.repositories["models/someone/pickled"] = pickled
    copy.write_config(**{**FROM_HUB, "pairs": {"tiny": {"target": source, "draft": "someone/draft"}}})
    run = copy.snakemake("--", "prefetch")
    assert run.code == 1
    assert said in run.output
    assert "Traceback" not in run.output
