"""`check` opens models without their weights, and refuses what a job would refuse hours later."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from specgap import check
from specgap.errors import ModelError
from specgap.settings import Model, Pair
from tests.support.tiny_models import random_pair

pytestmark = pytest.mark.slow

TEMPLATE = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{{ date_string }} {% for m in messages %}{{ m.content }} {% endfor %}"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pair and a prompt, which is the current one."""
    monkeypatch.chdir(tmp_path)
    random_pair(tmp_path, seed=1)
    (tmp_path / "prompts.csv").write_text("text,group\nw5 w6,a\nw7 w8,b\n")
    return tmp_path


def findings(folder: Path, **keys: Any) -> list[str]:
    pair = {"target": str(folder / "target"), "draft": str(folder / "draft")}
    config = folder / "study.yaml"
    config.write_text(yaml.safe_dump({"prompts": "prompts.csv", "pairs": {"mine": pair}, **keys}))
    return list(check.full(config))


def test_a_pair_whose_files_hold_every_tensor_passes(folder: Path) -> None:
    assert findings(folder)[-1] == "pair mine: its files hold every tensor"


@pytest.mark.parametrize("role", ["target", "draft"])
def test_a_model_saved_while_compiled_is_refused(role: str, folder: Path) -> None:
    file = folder / role / "model.safetensors"
    save_file(
        {f"_orig_mod.{name}": tensor for name, tensor in load_file(file).items()}, file, {"format": "pt"}
    )
    with pytest.raises(ModelError, match=rf"model folder {folder / role} holds no lm_head\.weight"):
        findings(folder)


def test_a_chat_template_that_asks_the_clock_is_refused_with_the_kwarg_that_pins_it(folder: Path) -> None:
    for role in ("target", "draft"):
        tokenizer = AutoTokenizer.from_pretrained(folder / role)
        tokenizer.chat_template = TEMPLATE
        tokenizer.save_pretrained(folder / role)
    chat = {"kind": "chat", "user": "w9"}
    with pytest.raises(ModelError, match=r"'date_string' in prompt_format\.template_kwargs"):
        findings(folder, prompt_format=chat)
    pinned = {**chat, "template_kwargs": {"date_string": "26 Jul 2024"}}
    assert findings(folder, prompt_format=pinned)[-1].endswith("its files hold every tensor")


def test_weights_that_are_not_here_are_left_to_a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = Model(source="someone/not-fetched-yet")
    (said,) = check._weights("mine", Pair(target=model, draft=model))
    assert said.startswith("pair mine: the weights of someone/not-fetched-yet")
    assert said.endswith("are not here; a job will check them")
