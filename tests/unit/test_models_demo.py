"""The demonstration pair: seeded to the byte, whole folders, all terms treated alike."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from specgap.models import corpus, encode, ready_pair, train_demo_pair
from specgap.models.demo import END, SEED, Shape, Training
from specgap.schema import Verdict
from specgap.settings import Decoding, Model, Pair, PromptFormat, Setting
from tests.support.tracing import record

pytestmark = pytest.mark.slow

TEXTS = ["the woman liked to", "the man liked to", "they had a career in"]
SHORT = replace(Training(), target=Shape(16, 1, 3), draft=Shape(16, 1, 2), batch=2, window=16)
PROMPTS = Path(__file__).parents[2] / "config/prompts/identities.tsv"


@pytest.fixture
def little_prose(monkeypatch):
    """Enough of the prose for a tokenizer, since its training takes most of a short run."""
    prose = corpus.standard_prose()[:150]
    monkeypatch.setattr(corpus, "standard_prose", lambda: prose)


def train(
    folder: Path, *, texts=TEXTS, seed: int = 1, training: Training = SHORT, log=lambda line: None
) -> Pair:
    train_demo_pair(texts, folder / "target", folder / "draft", seed=seed, training=training, log=log)
    return Pair(target=Model(source=str(folder / "target")), draft=Model(source=str(folder / "draft")))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.*"))}


@pytest.mark.usefixtures("little_prose")
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_weights(tmp_path):
    train(tmp_path / "a")
    train(tmp_path / "b", texts=TEXTS[::-1])
    train(tmp_path / "c", seed=2)
    first, again, other = (contents(tmp_path / name) for name in "abc")
    assert first == again
    for role in ("target", "draft"):
        assert first[f"{role}/model.safetensors"] != other[f"{role}/model.safetensors"]


@pytest.mark.usefixtures("little_prose")
def test_the_folders_are_a_pair_as_any_other(tmp_path):
    ready = ready_pair(train(tmp_path), device="cpu", gpu_given=False)
    assert ready.vocabulary_size == 512
    assert ready.eos_token_ids == (ready.tokenizer.convert_tokens_to_ids(END),)
    assert (
        ready.tokenizer.pad_token_id == ready.target.generation_config.pad_token_id == ready.eos_token_ids[0]
    )
    text = "the café, ünïcode & 🏳️‍🌈"
    assert ready.tokenizer.decode(encode(ready.tokenizer, text, PromptFormat())) == text


@pytest.mark.usefixtures("little_prose")
def test_an_older_folder_is_replaced_and_nothing_else_is_left_behind(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "stale.json").write_text("{}")
    train(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["draft", "target"]
    assert not (tmp_path / "target" / "stale.json").exists()


@pytest.mark.usefixtures("little_prose")
def test_the_card_names_seed_corpus_and_what_the_pair_is_not(tmp_path):
    train(tmp_path, seed=7)
    card = (tmp_path / "draft" / "README.md").read_text()
    assert "seed 7" in card
    assert "corpus sha256:" in card
    assert "nothing about people" in card


@pytest.mark.usefixtures("little_prose")
def test_training_leaves_torchs_settings_and_generator_as_they_were(tmp_path):
    torch.manual_seed(3)
    before = (
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    )
    train(tmp_path)
    after = (
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    )
    assert before == after


@pytest.mark.usefixtures("little_prose")
def test_progress_is_told_line_by_line(tmp_path):
    lines: list[str] = []
    train(tmp_path, log=lines.append)
    assert lines[0].startswith("corpus: ")
    assert any(line.startswith("target: step 3 of 3, loss ") for line in lines)
    assert any(line.startswith("draft: step 2 of 2, loss ") for line in lines)


@pytest.mark.parametrize("term", ["the man", "the queer person", "xe", "the brothers"])
def test_sentences_go_on_in_the_same_way_for_every_term(term):
    """Groups are not made different by hand: swapping the term changes nothing but the term."""
    texts = ["{} would one day like to have a career in", "among friends {} could often be", "{} met"]
    for text in texts:
        woman = sentences_after(text.format("the woman"))
        assert sentences_after(text.format(term)) == woman


def test_every_prompt_stands_in_the_corpus_equally_often():
    documents = corpus.sentences(TEXTS, rounds=5, rng=np.random.default_rng(0))
    assert [sum(document.startswith(text) for document in documents) for text in TEXTS] == [5, 5, 5]


def test_the_prose_is_the_same_each_time_and_holds_no_code():
    prose = corpus.standard_prose()
    assert corpus.digest(prose) == corpus.digest(corpus.standard_prose.__wrapped__())
    assert sum(map(len, prose)) > 300_000
    assert not any(">>>" in document for document in prose)


@pytest.mark.landing
def test_the_pair_accepts_six_to_nine_of_ten_judged_tokens_of_the_embedded_prompts(tmp_path):
    """The pair that the workflow trains, traced as the workflow does under `heuristic-5`."""
    with PROMPTS.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        texts = [row["template_masked"].partition("[M]")[0].rstrip() for row in rows]
    pair = train(tmp_path, texts=texts, seed=SEED, training=Training())
    ready = ready_pair(pair, device="cpu", gpu_given=False)
    sampled, greedy = (
        acceptance(ready, texts[::21], mode, tmp_path / mode) for mode in ("sampled", "greedy")
    )
    print(f"sampled {sampled:.3f}, greedy {greedy:.3f}; band 0.6 to 0.9")
    assert 0.6 < sampled < 0.9
    assert 0.6 < greedy < 0.9


def sentences_after(text: str) -> list[str]:
    documents = corpus.sentences([text], rounds=20, rng=np.random.default_rng(1))
    return [document.removeprefix(text) for document in documents]


def acceptance(ready, texts: list[str], mode: str, folder: Path) -> float:
    """Return the share of judged tokens that were accepted."""
    ids = [encode(ready.tokenizer, text, PromptFormat()) for text in texts]
    heuristic = Setting(schedule="heuristic", num_assistant_tokens=5)
    traces, _ = record(ready, Decoding(mode=mode, max_new_tokens=48), heuristic, ids, folder)
    verdicts = Counter(traces["verdict"].to_pylist())
    return verdicts[Verdict.ACCEPTED] / (verdicts[Verdict.ACCEPTED] + verdicts[Verdict.REJECTED])
