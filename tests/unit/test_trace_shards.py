"""Shards on disk: their columns and metadata, and every way a reader refuses one."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from specgap.errors import TraceError
from specgap.files import xxh3_128
from specgap.schema import SHARD_KINDS
from specgap.settings import Pair
from specgap.trace import read_done, verified_files
from specgap.trace.done import shard_files
from specgap.trace.shards import KINDS, METADATA_KEY
from tests.support.tiny_models import random_pair
from tests.support.tracing import Traced, prompts, tiny_study, trace_cell

pytestmark = pytest.mark.slow

SETTING = {"schedule": "constant", "num_assistant_tokens": 3}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


@pytest.fixture(scope="module")
def traced(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    return trace_cell(tiny_study(pair, SETTING), "constant-3", prompts(), tmp_path_factory.mktemp("results"))


@pytest.fixture
def copy(traced: Traced, tmp_path: Path) -> Traced:
    results = Path(shutil.copytree(traced.results, tmp_path / "results"))
    return Traced(results, traced.cell, traced.jobs, [])


def first(copy: Traced, kind: str = "traces") -> Path:
    return min((copy.results / kind).rglob("*.parquet"))


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def refusal(copy: Traced, kind: str = "traces") -> str:
    with pytest.raises(TraceError) as caught:
        verified_files(copy.results, copy.done_files, kind)
    return str(caught.value)


@pytest.mark.parametrize("module", ["specgap.trace", "specgap.trace.shards", "specgap.trace.done"])
def test_reading_traces_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules, 'transformers' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]


@pytest.mark.parametrize("kind", KINDS["assisted"])
def test_files_have_the_columns_of_the_schema(kind: str, traced: Traced) -> None:
    for path in verified_files(traced.results, traced.done_files, kind):
        assert pq.read_schema(path).remove_metadata().equals(SHARD_KINDS[kind])


def test_rows_of_a_prompt_stand_together(traced: Traced) -> None:
    for path in verified_files(traced.results, traced.done_files, "traces"):
        ids = pq.read_table(path)["prompt"].to_pylist()
        changes = sum(one != other for one, other in itertools.pairwise(ids))
        assert changes == len(set(ids)) - 1


def test_metadata_says_how_a_shard_was_made(traced: Traced) -> None:
    metadata = traced.metadata()
    assert metadata["schema_version"] == 4
    assert metadata["pair"]["target"]["revision"].startswith("sha256:")
    assert metadata["pair"]["draft"]["dtype"] == "float32"
    assert metadata["decoding"] == {
        "mode": "sampled",
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "max_new_tokens": 16,
    }
    assert metadata["setting"]["schedule"] == "constant"
    assert metadata["eos_token_ids"] == [1]
    assert metadata["max_new_tokens"] == 16
    assert metadata["sklearn_importable"] is False
    assert {"torch", "transformers", "device_name", "seed", "fingerprint", "shard", "sample"} <= set(metadata)


def test_pages_carry_checksums(copy: Traced) -> None:
    path = first(copy)
    content = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(6)  # p
    content[column.data_page_offset + column.total_compressed_size - 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_done_files_name_mode_facts_and_every_shard(traced: Traced) -> None:
    names = []
    for path in traced.done_files:
        done = read_done(path)
        assert (done.mode, done.collector) == ("sampled", "assisted")
        assert done.facts["target"]["source"].endswith("target")
        names += [shard.name for shard in done.shards]
    assert names == [shard.name for job in traced.jobs for shard in job.shards]


def test_done_files_hold_no_digest_of_times(traced: Traced) -> None:
    for shard in read_done(traced.done_files[0]).shards:
        assert shard.files["timings"].xxh3_128 is None
        assert shard.files["timings"].rows == shard.files["rounds"].rows


def test_times_are_there_and_positive(traced: Traced) -> None:
    for row in traced.rows("timings"):
        assert row["verify_seconds"] > 0
        assert row["draft_seconds"] > 0


@pytest.mark.parametrize("kind", KINDS["assisted"])
def test_a_truncated_shard_is_named_and_refused(kind: str, copy: Traced) -> None:
    path = first(copy, kind)
    path.write_bytes(path.read_bytes()[:-7])
    assert refusal(copy, kind).startswith(f"shard {path} has ")
    assert "bytes; wanted" in refusal(copy, kind)


@pytest.mark.parametrize("kind", KINDS["assisted"])
@pytest.mark.parametrize("where", [0, 1 / 3, 1])
def test_a_flipped_bit_is_found_before_the_footer_is_parsed(
    kind: str, where: float, copy: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = first(copy, kind)
    content = bytearray(path.read_bytes())
    content[int(where * (len(content) - 1))] ^= 4
    path.write_bytes(bytes(content))
    monkeypatch.setattr(pq, "read_metadata", None)
    assert f"shard {path} has XXH3-128" in refusal(copy, kind)


@pytest.mark.parametrize("kind", KINDS["assisted"])
def test_shards_are_listed_with_length_and_digest_and_none_is_opened(kind: str, copy: Traced) -> None:
    known = [
        (path, path.stat().st_size, xxh3_128(path))
        for path in sorted((copy.results / kind).rglob("*.parquet"))
    ]
    first(copy, kind).write_bytes(b"damaged")
    listed = shard_files(copy.results, copy.done_files, kind)
    assert [(file.path, file.bytes, file.xxh3_128) for file in listed] == known


@pytest.mark.parametrize(
    "change", [{"xxh3_128": "0" * 31}, {"xxh3_128": None}, {"bytes": None}, {"bytes": "7"}]
)
def test_a_shard_recorded_without_length_or_digest_is_refused(change: dict[str, Any], copy: Traced) -> None:
    edit_json(copy.done_files[0], lambda content: content["shards"][0]["files"]["traces"].update(change))
    assert refusal(copy).startswith(f"shard {first(copy)} is recorded without length and digest")


@pytest.mark.parametrize("kind", KINDS["assisted"])
def test_a_missing_shard_is_named(kind: str, copy: Traced) -> None:
    path = first(copy, kind)
    path.unlink()
    assert refusal(copy, kind).startswith(f"shard {path} is not there")


def test_a_shard_without_its_sidecar_is_refused(copy: Traced) -> None:
    first(copy).with_suffix(".json").unlink()
    assert "no readable sidecar" in refusal(copy)


def test_a_shard_of_another_schema_version_is_refused(copy: Traced) -> None:
    edit_json(first(copy).with_suffix(".json"), lambda content: content.update(schema_version=7))
    assert refusal(copy).startswith(f"shard {first(copy)} is of schema version 7; wanted 4")


def test_a_done_file_of_another_schema_version_names_its_shards(copy: Traced) -> None:
    edit_json(copy.done_files[0], lambda content: content.update(schema_version=7))
    assert read_done(copy.done_files[1])
    assert "s000-p" in refusal(copy)
    assert "is of schema version 7; wanted 4" in refusal(copy)


def replace_with(copy: Traced, other: Traced, names: list[str]) -> None:
    for name in names:
        for kind in KINDS["assisted"]:
            source = other.results / kind / other.cell.folder / name
            if source.is_file():
                shutil.copy(source, copy.results / kind / copy.cell.folder / name)


@pytest.fixture(scope="module")
def other_seed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    study = tiny_study(pair, SETTING, seed=9)
    return trace_cell(study, "constant-3", prompts(), tmp_path_factory.mktemp("other"))


def test_a_shard_of_another_config_is_refused(copy: Traced, other_seed: Traced) -> None:
    name = first(copy).stem
    replace_with(copy, other_seed, [f"{name}.parquet"])
    assert "it is damaged or of another run" in refusal(copy)


def test_a_shard_of_another_config_with_its_sidecar_is_refused(copy: Traced, other_seed: Traced) -> None:
    name = first(copy).stem
    replace_with(copy, other_seed, [f"{name}.parquet", f"{name}.json"])
    assert "was traced with another config, pair or prompts" in refusal(copy)


def test_a_done_file_of_another_cell_is_refused(copy: Traced) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["cell"]["setting"] = "constant-9"

    edit_json(copy.done_files[0], rename)
    assert "was written for tiny/sampled/constant-9" in refusal(copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 4}'])
def test_a_damaged_done_file_is_refused(content: str, copy: Traced) -> None:
    copy.done_files[0].write_text(content)
    assert str(copy.done_files[0]) in refusal(copy)


def test_a_missing_done_file_is_refused(copy: Traced) -> None:
    copy.done_files[0].unlink()
    assert "wanted a finished trace job" in refusal(copy)


def test_a_footer_that_tells_another_fingerprint_is_refused(copy: Traced) -> None:
    path = first(copy)
    table = pq.read_table(path)
    stamped = json.loads(table.schema.metadata[METADATA_KEY]) | {"fingerprint": "0" * 64}
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(stamped)}), path)

    def restate(content: dict[str, Any]) -> None:
        for shard in content["shards"]:
            if shard["name"] == path.stem:
                shard["files"]["traces"] |= {"bytes": path.stat().st_size, "xxh3_128": xxh3_128(path)}

    edit_json(copy.done_files[0], restate)
    assert "is stamped with another schema version or config" in refusal(copy)
