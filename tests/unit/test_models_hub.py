"""Records of hub models: which commit a hub id was when it was fetched, and what is asked for afterwards."""

import json
from pathlib import Path

import pytest

from specgap.config import Study, parse
from specgap.errors import ModelError
from specgap.models.hub import hub_models, pinned, record_file
from specgap.settings import Model

COMMIT = "c0ffee" * 6 + "c0ff"


def study_of(tmp_path: Path, **models: object) -> Study:
    pair = {"target": "someone/target", "draft": "someone/draft", **models}
    return parse({"resources_folder": str(tmp_path), "pairs": {"mine": pair}}, source="x")


def recorded(study: Study, model: Model, text: str) -> None:
    record = record_file(Path(study.resources_folder), model)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(text)


def test_a_model_is_asked_for_at_its_recorded_commit_and_the_other_as_the_config_says(tmp_path: Path) -> None:
    study = study_of(tmp_path, draft={"source": "someone/draft", "revision": "v1"})
    recorded(study, study.pairs["mine"].target, json.dumps({"commit": COMMIT}))
    pair = pinned(study, "mine")
    assert (pair.target.revision, pair.draft.revision) == (COMMIT, "v1")
    assert study.pairs["mine"].target.revision is None


def test_each_revision_has_a_record_of_its_own_and_a_folder_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    study = study_of(tmp_path, target=str(tmp_path / "folder"))
    assert [model.source for model in hub_models(study).values()] == ["someone/draft"]
    revisions = [None, "main", "refs/pr/1"]
    files = {record_file(tmp_path, Model(source="someone/draft", revision=r)) for r in revisions}
    assert len(files) == 3
    assert {file.parent for file in files} == {tmp_path / "models/hub"}


def test_a_model_of_two_pairs_is_fetched_once_with_all_that_either_may_read(tmp_path: Path) -> None:
    study = study_of(tmp_path, target="someone/same", draft={"source": "someone/same", "allow_pickle": True})
    (model,) = hub_models(study).values()
    assert (model.allow_pickle, model.trust_remote_code) == (True, False)


@pytest.mark.parametrize("text", ["{ damaged", "{}", '{"commit": 5}', '{"commit": "../elsewhere"}', "[]"])
def test_a_damaged_record_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    study = study_of(tmp_path)
    recorded(study, study.pairs["mine"].target, text)
    with pytest.raises(
        ModelError, match=r"models/hub/.*\.json names no commit of someone/target; .* prefetch"
    ):
        pinned(study, "mine")
