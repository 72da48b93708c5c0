"""Where models come from, and what is refused before a weight is read."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, T5Config

from specgap.errors import ModelError
from specgap.models import check_pair, folders, open_tokenizer, ready_pair, source
from specgap.settings import Model, Pair
from tests.support.tiny_models import gpt2_shaped_folder, random_pair

pytestmark = pytest.mark.slow


def load(pair: Pair):
    return ready_pair(pair, device="cpu", gpu_given=False)


def refused(pair: Pair) -> str:
    with pytest.raises(ModelError) as caught:
        check_pair(pair)
    message = str(caught.value)
    assert "\n" not in message
    return message


def twice(folder: Path, **options: object) -> Pair:
    model = Model(source=str(folder), **options)
    return Pair(target=model, draft=model)


def test_importing_the_package_loads_neither_torch_nor_transformers():
    code = "import sys, specgap.models; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


@pytest.mark.parametrize("written", ["/nowhere/model", "./nowhere", "../nowhere", "~/nowhere/model"])
def test_a_folder_that_is_not_there_is_named(written):
    message = refused(Pair(target=Model(source=written), draft=Model(source=written)))
    assert written in message
    assert "not there" in message


def test_an_existing_folder_needs_no_dot_before_its_name(tmp_path, monkeypatch):
    random_pair(tmp_path / "mine", seed=1)
    monkeypatch.chdir(tmp_path)
    check_pair(Pair(target=Model(source="mine/target"), draft=Model(source="mine/draft")))


def test_a_folder_takes_no_revision(tmp_path):
    random_pair(tmp_path, seed=1)
    assert "revision" in refused(twice(tmp_path / "target", revision="main"))


def test_a_folder_is_known_by_its_weights_config_and_tokenizer_and_by_nothing_else(tmp_path):
    random_pair(tmp_path, seed=1)
    folder = tmp_path / "target"
    before = folders.folder_revision(folder)
    (folder / "README.md").write_text("about")
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert folders.folder_revision(folder) == folders.folder_revision(moved) == before
    assert before.startswith("sha256:")
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        changed = shutil.copytree(folder, tmp_path / name)
        (changed / name).write_bytes((changed / name).read_bytes() + b" ")
        assert folders.folder_revision(changed) != before


def test_pickled_weights_are_refused_before_they_are_read(tmp_path):
    folder = pickled(tmp_path)
    message = refused(twice(folder))
    assert "pytorch_model.bin" in message
    assert "allow_pickle" in message


def test_pickled_weights_that_the_user_allows_are_loaded_and_told(tmp_path):
    ready = load(twice(pickled(tmp_path), allow_pickle=True))
    assert ready.facts["target"]["weights"] == "pickle"
    assert ready.facts["target"]["allow_pickle"] is True


def test_safetensors_are_taken_where_both_are_there_even_if_pickle_is_allowed(tmp_path):
    random_pair(tmp_path, seed=1)
    (tmp_path / "target" / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert load(twice(tmp_path / "target", allow_pickle=True)).facts["target"]["weights"] == "safetensors"


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    ran = remote_code(tmp_path)
    assert "trust_remote_code" in refused(twice(tmp_path / "target"))
    assert not ran.exists()


@pytest.mark.parametrize("part", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_part_is_named_with_the_part(tmp_path, part):
    pair = random_pair(tmp_path, seed=1)
    (tmp_path / "draft" / part).unlink()
    (tmp_path / "draft" / "tokenizer_config.json").unlink()
    message = refused(pair)
    assert pair.draft.source in message
    assert {"config.json": "config.json", "tokenizer.json": "tokenizer"}.get(part, "safetensors") in message


@pytest.mark.parametrize("part", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_part_ends_in_one_sentence(tmp_path, part):
    pair = random_pair(tmp_path, seed=1)
    (tmp_path / "target" / part).write_text("{ damaged")
    with pytest.raises(ModelError, match=pair.target.source):
        load(pair)


@pytest.mark.parametrize("config", [T5Config(), BertConfig(architectures=["BertForMaskedLM"])])
def test_models_that_are_not_causal_are_refused(tmp_path, config):
    random_pair(tmp_path, seed=1)
    config.save_pretrained(tmp_path / "target")
    assert "wanted a causal" in refused(twice(tmp_path / "target"))


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError("You are trying to access a gated repo."), "https://huggingface.co/some/model"),
        (
            OSError("some/model is not a local folder and is not a valid model identifier"),
            "unknown or private",
        ),
        (OSError("x is not a valid git identifier (branch name, tag name or commit id)"), "no revision 'v9'"),
        (OSError("We couldn't connect to 'https://huggingface.co' to load the files"), "not reachable"),
        (OSError("some/model does not appear to have a file named model.safetensors"), "allow_pickle"),
        (ValueError("something else"), "something else"),
    ],
)
def test_every_failure_of_the_hub_names_the_model_and_the_remedy(monkeypatch, raised, told):
    def fail(*_args, **_options):
        raise raised

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", fail)
    model = Model(source="some/model", revision="v9")
    message = refused(Pair(target=model, draft=model))
    assert "some/model" in message
    assert told in message


def test_a_hub_that_cannot_be_reached_ends_in_one_sentence(monkeypatch):
    monkeypatch.setattr(source, "is_offline", lambda: True)
    message = refused(
        Pair(target=Model(source="no-such/model-here"), draft=Model(source="no-such/model-here"))
    )
    assert "not reachable" in message
    assert "hf download no-such/model-here" in message


def test_a_hub_model_is_known_by_the_commit_and_its_weights_are_read_at_it(monkeypatch, tmp_path):
    pair, asked = hub_of(random_pair(tmp_path, seed=1), monkeypatch, commit="c0ffee")
    assert load(pair).facts["target"]["revision"] == "c0ffee"
    assert asked == {"AutoConfig": "main", "AutoTokenizer": "main", "AutoModelForCausalLM": "c0ffee"}


def test_remote_code_and_pickle_are_off_in_every_call(monkeypatch, tmp_path):
    import transformers

    seen = []
    read = transformers.AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        "transformers.AutoModelForCausalLM.from_pretrained",
        lambda *args, **options: (seen.append(options), read(*args, **options))[1],
    )
    load(random_pair(tmp_path, seed=1))
    assert [(o["trust_remote_code"], o["use_safetensors"]) for o in seen] == [(False, True)] * 2


def test_the_tokenizer_of_a_folder_without_one_is_a_sentence_too(tmp_path):
    folder = gpt2_shaped_folder(tmp_path, 1)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ModelError, match="has no tokenizer"):
        open_tokenizer(Model(source=str(folder)))


def pickled(tmp_path: Path) -> Path:
    from safetensors.torch import load_file

    random_pair(tmp_path, seed=1)
    folder = tmp_path / "target"
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def remote_code(tmp_path: Path) -> Path:
    """Give the target a config class of its own, which leaves a file behind when it is imported."""
    random_pair(tmp_path, seed=1)
    folder, ran = tmp_path / "target", tmp_path / "ran"
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Net"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Config: pass\nclass Net: pass\n")
    return ran


def hub_of(pair: Pair, monkeypatch, *, commit: str) -> tuple[Pair, dict[str, str]]:
    """Let two folders pass for hub models; return them and the revision that each reader asked for."""
    import transformers

    asked: dict[str, str] = {}

    def through(name: str):
        reader = getattr(transformers, name).from_pretrained

        def read(source: str, **options):
            # transformers' tokenizer reader opens the config again, of the folder it was sent to.
            if not source.startswith("hub/"):
                return reader(source, **options)
            asked[name] = options.pop("revision")
            del options["local_files_only"]
            found = reader(getattr(pair, source.partition("/")[2]).source, **options)
            if name == "AutoConfig":
                found._commit_hash = commit
            return found

        return read

    for name in ("AutoConfig", "AutoTokenizer", "AutoModelForCausalLM"):
        monkeypatch.setattr(f"transformers.{name}.from_pretrained", through(name))
    hub = {role: Model(source=f"hub/{role}", revision="main") for role in ("target", "draft")}
    return Pair(**hub), asked
