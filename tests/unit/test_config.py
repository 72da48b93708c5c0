"""What a config may say, and the one sentence it gets when it may not."""

from pathlib import Path

import pytest

from specgap.config import Study, load, parse
from specgap.errors import ConfigError
from specgap.layout import traced_cells
from specgap.settings import Setting

ROOT = Path(__file__).parents[2]


def study(**keys: object) -> Study:
    return parse(keys, source="mine.yaml")


def refusal(**keys: object) -> str:
    with pytest.raises(ConfigError) as caught:
        study(**keys)
    message = str(caught.value)
    assert message.startswith("mine.yaml: ")
    assert "\n" not in message
    return message


def constant(number: int | list[int], **keys: object) -> dict[str, object]:
    return {"schedule": "constant", "num_assistant_tokens": number, **keys}


BAD = {
    "an unknown key gets the nearest known one": ({"sed": 1}, "unknown key 'sed'; did you mean 'seed'?"),
    "an unknown key deep inside too": (
        {"pairs": {"a": {"target": {"source": "x", "dtpye": "auto"}, "draft": "y"}}},
        "unknown key 'pairs.a.target.dtpye'; did you mean 'dtype'?",
    ),
    "a wrong type": ({"samples": "three"}, "samples is 'three'; wanted integer"),
    "true is not a number": ({"samples": True}, "samples is True"),
    "no samples": ({"samples": 0}, "samples is 0; wanted greater than or equal to 1"),
    "an unknown schedule": (
        {"settings": [{"schedule": "constnt", "num_assistant_tokens": 5}]},
        "settings.0.schedule is 'constnt'; wanted 'constant', 'heuristic' or 'heuristic_transient'",
    ),
    "γ below one": ({"settings": [constant(0)]}, "settings.0.num_assistant_tokens is 0; wanted greater"),
    "a negative temperature": (
        {"decodings": {"hot": {"temperature": -1}}},
        "decodings.hot.temperature is -1; wanted greater than 0",
    ),
    "a temperature that is not a number": (
        {"decodings": {"hot": {"temperature": float("nan")}}},
        "decodings.hot.temperature is nan",
    ),
    "warpers under greedy decoding": (
        {"decodings": {"best": {"mode": "greedy", "top_k": 5}}},
        "decodings.best: greedy decoding with",
    ),
    "a threshold of one": ({"settings": [constant(5, confidence_threshold=1.0)]}, "wanted less than 1"),
    "carried state without a state": (
        {"settings": [constant(5, carry_state=True)]},
        "wanted it with heuristic",
    ),
    "an unknown collector": (
        {"collector": "asisted"},
        "collector is 'asisted'; wanted 'replay', 'assisted', 'batched' or 'counts'",
    ),
    "a batch that carries a state": (
        {"settings": [{**constant(5), "schedule": "heuristic", "carry_state": True, "collector": "batched"}]},
        "setting 'heuristic-5-carried-batched' has carry_state with collector batched",
    ),
    "a limit where all prompts come at once": (
        {"settings": [constant(5, limit=3)]},
        "setting 'constant-5' has a limit with collector replay",
    ),
    "a limit where γ is carried": (
        {
            "collector": "assisted",
            "settings": [{**constant(5), "schedule": "heuristic", "carry_state": True, "limit": 3}],
        },
        "settings.0: limit with carry_state",
    ),
    "a list of nothing": (
        {"settings": [constant([])]},
        "settings: num_assistant_tokens is []; wanted at least",
    ),
    "one name for several settings": (
        {"settings": [constant([1, 2], name="mine")]},
        "settings: the name 'mine' for several settings",
    ),
    "a number twice in lists": (
        {"settings": [constant([1, 2]), constant(2)]},
        "two settings named 'constant-2'",
    ),
    "γ below one in a list": ({"settings": [constant([3, 0])]}, "num_assistant_tokens is 0; wanted greater"),
    "an empty batch": ({"batch": 0}, "batch is 0; wanted greater than or equal to 1"),
    "a draft that costs nothing": ({"cost_ratio": 0}, "cost_ratio is 0; wanted greater than 0"),
    "tails of another kind": ({"tails": "all"}, "tails is 'all'; wanted 'none', 'counts' or 'full'"),
    "two settings of one name": ({"settings": [constant(5), constant(5)]}, "two settings named 'constant-5'"),
    "a decoding without settings": (
        {"decodings": {"a": {"settings": []}}},
        "decodings.a.settings is []; wanted at least one, or the key left out",
    ),
    "figures of no setting": ({"figures": {"settings": []}}, "figures.settings is []; wanted at least one"),
    "no results folder": ({"results": ""}, "results is ''; wanted a name"),
    "a setting twice under a decoding": (
        {"decodings": {"a": {"settings": ["constant-5", "constant-5"]}}},
        "decodings.a.settings lists 'constant-5' twice",
    ),
    "braces in a path": ({"results": "out/{x}"}, "results: path 'out/{x}' holds '{'"),
    "a newline in a prompt file's name": ({"prompts": "a\nb.csv"}, "holds '\\n'"),
    "a path that no disk can hold": ({"results": "x" * 300}, "is empty or too long"),
    "the home of nobody": ({"results": "~nosuchuser/x"}, "names the home of an unknown user"),
    "results among the resources": (
        {"results": "a", "resources_folder": "./a"},
        "are both 'a'",
    ),
    "a group that holds the separator": (
        {"groupings": [{"column": "g", "map": {"a": "x\x1fy"}}]},
        "groupings.0.map: group 'x\\x1fy'; wanted plain text",
    ),
    "no settings": ({"settings": []}, "no settings; wanted at least one"),
    "no pairs": ({"pairs": {}}, "no pairs; wanted at least one"),
    "a pair without a draft": ({"pairs": {"a": {"target": "x"}}}, "pairs.a.draft is missing"),
    "a pair that leaves the folder": ({"pairs": {"..": "demo"}}, "a pair is named '..'"),
    "a pair with a slash": ({"pairs": {"a/b": "demo"}}, "a pair is named 'a/b'"),
    "a reserved name": ({"decodings": {"all": {}}}, "a decoding is named 'all'"),
    "a pair of the name of all pairs": ({"pairs": {"all": "demo"}}, "a pair is named 'all', which specgap"),
    "a setting of the name of all settings": (
        {"settings": [{"schedule": "constant", "num_assistant_tokens": 5, "name": "all"}]},
        "a setting is named 'all', which specgap",
    ),
    "an unknown setting under a decoding": (
        {"decodings": {"a": {"settings": ["constant-7"]}}},
        "decodings.a.settings lists 'constant-7'; wanted one of heuristic-5",
    ),
    "an unknown setting for figures": ({"figures": {"settings": ["x"]}}, "figures.settings lists 'x'"),
    "two groupings of one name": ({"groupings": ["a", "a"]}, "a grouping named 'a', twice"),
    "a grouping that specgap makes itself": ({"groupings": ["overall"]}, "a grouping named 'overall', twice"),
    "no groupings": ({"groupings": []}, "no groupings; wanted at least one"),
    "files and a dataset": ({"prompts": {"files": ["a.csv"], "dataset": "b"}}, "files and dataset together"),
    "no prompt files": ({"prompts": []}, "prompts: no files; wanted at least one"),
    "no job to count with": ({"aggregate": {"jobs": 0}}, "aggregate.jobs is 0; wanted greater than or equal"),
    "an odd number of bins of p − q": (
        {"bins": {"difference": 81}},
        "81 bins of p − q; wanted an even number",
    ),
    "a device that does not exist": ({"device": "tpu"}, "device: 'tpu' is no device; wanted auto, cpu"),
    "a model argument that is not allowed": (
        {"pairs": {"a": {"target": {"source": "x", "model_kwargs": {"code": "y"}}, "draft": "z"}}},
        "pairs.a.target.model_kwargs.code",
    ),
    "an unknown format": ({"prompt_format": "html"}, "prompt_format.kind is 'html'"),
    "a limit of nothing": ({"limit": 0}, "limit is 0"),
    "a negative seed": ({"seed": -1}, "seed is -1"),
    "a number where a block belongs": ({"shards": 8}, "shards is 8; wanted a mapping of keys"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_config_that_cannot_be_meant_gets_one_sentence(case: str) -> None:
    keys, sentence = BAD[case]
    assert sentence in refusal(**keys)


def load_text(text: str, folder: Path) -> Study:
    (folder / "config.yaml").write_text(text)
    return load(folder / "config.yaml")


def test_a_config_that_says_little_traces_the_embedded_pair(tmp_path: Path) -> None:
    assert load_text("seed: 1\n", tmp_path) == study(seed=1)
    assert list(study().pairs) == ["demo"]


def test_merged_keys_are_read_as_yaml_reads_them(tmp_path: Path) -> None:
    text = "shards: &cut {number: 2}\ndecodings: {a: &a {top_k: 3}, b: {<<: *a, top_k: 4}}\n"
    assert load_text(text, tmp_path).decodings["b"].top_k == 4


@pytest.mark.parametrize("path", ["out/r", "./out/r", "out//r/", "out/./r"])
def test_a_results_folder_has_one_spelling(path: str) -> None:
    assert study(results=path).results == "out/r"


def test_an_absolute_resources_folder_holds_the_embedded_pair() -> None:
    demo = study(resources_folder="/data/x").pairs["demo"]
    assert demo.target.source == "/data/x/models/demo/target"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed: 1\nseed: 2\n", "key 'seed' stands twice (line 2)"),
        ("seed: [1\n", "is not YAML"),
        ("- 1\n", "wanted a mapping of keys"),
        ("", "wanted a mapping of keys"),
        (f"seed: {'9' * 5000}\n", "is not YAML"),
        (f"seed: 0x{'f' * 5000}\n", "seed is a number beyond all bounds"),
        ("seed: 2024-99-99\n", "is not YAML"),
        ("shards: &a [*a]\n", "holds itself"),
        ("seed: !!python/object/apply:os.system [true]\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_config_gets_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml") as caught:
        load_text(text, tmp_path)
    assert sentence in str(caught.value)


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    "file", ["config/config.yaml", *sorted(map(str, ROOT.glob("config/examples/*.yaml")))]
)
def test_every_config_of_the_repository_is_valid(file: str) -> None:
    assert traced_cells(load(ROOT / file))


def test_settings_are_named_by_their_numbers() -> None:
    assert study(settings=[constant(5, confidence_threshold=0.25)]).settings[0].name == "constant-5-t0.25"
    heuristic = {
        "schedule": "heuristic",
        "num_assistant_tokens": 3,
        "carry_state": True,
        "collector": "assisted",
    }
    assert study(settings=[heuristic]).settings[0].name == "heuristic-3-carried-assisted"
    assert study(settings=[constant(5, name="mine")]).settings[0].name == "mine"


def test_settings_that_the_length_limit_makes_equal_are_named() -> None:
    settings = [constant(5), constant(9), constant(20), {**constant(20), "schedule": "heuristic"}]
    short = study(decodings={"short": {"max_new_tokens": 10}}, settings=settings)
    assert short.settings_that_cannot_differ() == [("short", ["constant-9", "constant-20", "heuristic-20"])]
    longer = study(decodings={"long": {"max_new_tokens": 48}}, settings=settings)
    assert longer.settings_that_cannot_differ() == []


def test_carried_state_can_always_differ() -> None:
    carried = {"schedule": "heuristic", "num_assistant_tokens": 20, "carry_state": True}
    short = study(decodings={"short": {"max_new_tokens": 10}}, settings=[constant(20), carried])
    assert short.settings_that_cannot_differ() == []


def test_greedy_decoding_has_one_sample() -> None:
    both = study(samples=3, decodings={"greedy": {"mode": "greedy"}, "sampled": {}})
    assert (both.samples_of("greedy"), both.samples_of("sampled")) == (1, 3)


@pytest.mark.parametrize(
    "file", ["config/config.yaml", *sorted(map(str, ROOT.glob("config/examples/*.yaml")))]
)
def test_the_config_that_jobs_read_is_the_config_that_was_checked(tmp_path: Path, file: str) -> None:
    checked = load(ROOT / file)
    assert load_text(checked.model_dump_json(), tmp_path) == checked


def names(settings: list[Setting]) -> list[str]:
    return [setting.name for setting in settings]


def test_lists_make_every_combination_in_order() -> None:
    swept = study(settings=[constant([7, 2], confidence_threshold=[0, 0.25]), constant(1)])
    assert names(swept.settings) == [
        "constant-7",
        "constant-7-t0.25",
        "constant-2",
        "constant-2-t0.25",
        "constant-1",
    ]


def some_of_each(**keys: object) -> Study:
    settings = [constant([1, 2, 3]), constant(2, collector="assisted", limit=4)]
    return study(settings=settings, figures={"settings": ["constant-3", "constant-1"]}, **keys)


def test_settings_with_figures_or_real_rounds_keep_records_and_the_others_are_swept() -> None:
    both = some_of_each(decodings={"a": {}, "b": {"settings": ["constant-2", "constant-1"]}})
    assert names(both.stored_settings_of("a")) == ["constant-1", "constant-3", "constant-2-assisted"]
    assert names(both.swept_settings_of("a")) == ["constant-2"]
    assert names(both.replayed_settings_of("a")) == ["constant-1", "constant-2", "constant-3"]
    assert names(both.stored_settings_of("b")) == ["constant-1"]
    real = study(collector="batched", settings=[constant([1, 2])], figures={"settings": ["constant-1"]})
    assert names(real.stored_settings_of("sampled")) == ["constant-1", "constant-2"]


@pytest.mark.parametrize(
    ("tails", "counted", "full"),
    [
        ("none", ["constant-1", "constant-3"], ["constant-1", "constant-3"]),
        ("counts", ["constant-1", "constant-2", "constant-3"], ["constant-1", "constant-3"]),
        ("full", ["constant-1", "constant-2", "constant-3"], ["constant-1", "constant-2", "constant-3"]),
    ],
)
def test_settings_with_records_always_have_all_of_their_discarded_tokens(
    tails: str, counted: list[str], full: list[str]
) -> None:
    chosen = some_of_each(tails=tails)
    assert names(chosen.tailed_settings_of("sampled", full=False)) == counted
    assert names(chosen.tailed_settings_of("sampled", full=True)) == full


def test_the_embedded_study_sweeps_at_least_24_settings_and_draws_the_original_three() -> None:
    embedded = load(ROOT / "config/config.yaml")
    for decoding in ("sampled", "greedy"):
        assert len(embedded.replayed_settings_of(decoding)) >= 24
        assert names(embedded.figure_settings_of(decoding)) == ["heuristic-5", "constant-5", "constant-20"]
    assert names([s for s in embedded.settings if s.limit]) == ["heuristic-5-assisted"]
    assert embedded.samples_of("sampled") >= 3
