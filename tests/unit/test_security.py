"""What is not trusted: configs, prompts, shards, and model folders (docs/security.md)."""

import ast
import json
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

import rust_agg
from specgap import aggregate, files
from specgap.config import load
from specgap.errors import ConfigError, ModelError, TableError, TraceError
from specgap.models import ready_pair
from specgap.models.encoding import encode
from specgap.prompts import read_prompts
from specgap.settings import Model, Pair, PromptFormat
from specgap.trace.shards import versions_of
from tests.support.tiny_models import bpe_tokenizer, gpt2_shaped_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "scripts").glob("*.py"))]
#: Modules whose files run code when they are read.
RUNNING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def calls(tree: ast.AST) -> Iterator[str]:
    """Yield every call as it is written: `torch.load`, `eval`, `subprocess.run`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_reads_pickle_builds_a_shell_command_or_evaluates_text(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert not imported & RUNNING
    forbidden = {"torch.load", "np.load", "numpy.load", "pd.read_pickle", "eval", "exec", "compile"}
    forbidden |= {"os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"}
    assert not forbidden & set(calls(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert words.get("shell") != "True"
            # No code of a model's without the user's own key.
            assert words.get("trust_remote_code", "model.trust_remote_code") == "model.trust_remote_code"
            if ast.unparse(node.func) == "yaml.load":
                assert words == {"Loader": "_UniqueKeys"}


def test_the_one_loader_of_yaml_is_a_safe_one() -> None:
    from specgap.validation import _UniqueKeys

    assert issubclass(_UniqueKeys, yaml.SafeLoader)


TAGS = (
    "!!python/object/apply:os.system ['touch {mark}']",
    "!!python/object/new:type {{args: [z, [], {{extend: !!python/name:exec }}], listitems: 1}}",
    "!!python/name:os.system",
    "!!binary aGk=",
)


@pytest.mark.parametrize("tag", TAGS)
def test_a_config_with_object_tags_is_refused_with_a_sentence(tag: str, tmp_path: Path) -> None:
    config = tmp_path / "study.yaml"
    config.write_text(f"seed: {tag.format(mark=tmp_path / 'ran')}\n")
    with pytest.raises(ConfigError, match=r"study\.yaml"):
        load(config)
    assert not (tmp_path / "ran").exists()


def test_the_check_ends_a_config_with_an_object_tag_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(f"seed: {TAGS[0].format(mark=tmp_path / 'ran')}\n")
    run = subprocess.run(
        [sys.executable, ROOT / "scripts/check.py", tmp_path / "study.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("specgap: ")
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "ran").exists()


class Ran:
    """What a pickle does when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._mark,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt"])
def test_a_model_folder_of_pickle_is_refused_and_never_opened(name: str, tmp_path: Path) -> None:
    folder = gpt2_shaped_folder(tmp_path / "model", 1)
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Ran(tmp_path / "ran")}, folder / name)
    model = Model(source=str(folder))
    with pytest.raises(ModelError, match="a pickle, which can run code"):
        ready_pair(Pair(target=model, draft=model), device="cpu", gpu_given=False)
    assert not (tmp_path / "ran").exists()


def test_a_model_that_brings_its_own_code_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    folder = gpt2_shaped_folder(tmp_path / "model", 1)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    model = Model(source=str(folder))
    with pytest.raises(ModelError, match="brings its own Python code, which specgap does not run"):
        ready_pair(Pair(target=model, draft=model), device="cpu", gpu_given=False)
    assert not (tmp_path / "ran").exists()


TEMPLATES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.system('true') }}",
    "{% set x = messages.append({'role': 'user'}) %}",
    "{{ lipsum.__globals__['os'].popen('true').read() }}",
)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_hostile_chat_template_reaches_nothing_and_ends_in_a_sentence(template: str) -> None:
    tokenizer = bpe_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=r"the chat template of .* refuses prompt"):
        encode(tokenizer, "a prompt", PromptFormat(kind="chat"))


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Half a GiB of address space more than the process has: what is only claimed must not be taken."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (512 << 20), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


PLAIN = rust_agg.Grids(probability=[0.0, 1.0], difference=[-1.0, 1.0], joint=[0.0, 1.0])
CLAIMS = (2**31 - 1, 2**32 - 1, 10_000_000)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("claimed", CLAIMS)
def test_a_footer_that_claims_more_than_there_is_is_refused_by_every_reader(
    claimed: int, tmp_path: Path
) -> None:
    path = tmp_path / "claims.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    path.write_bytes(path.read_bytes()[:-8] + struct.pack("<I", claimed) + b"PAR1")
    with pytest.raises(ValueError, match=f"claims a footer of {claimed}"):
        files.check_footer(path)
    assert versions_of(path) is None
    with pytest.raises(TableError, match="claims a footer"):
        read_prompts(path)
    with pytest.raises(rust_agg.DataError, match="footer"):
        rust_agg.fold([path], [], rust_agg.Groups(_NOBODY, [], []), grids=PLAIN)


_NOBODY = pa.table(
    {
        "prompt": pa.array([], pa.uint64()),
        "group": pa.array([], pa.uint32()),
        "unit": pa.array([], pa.uint32()),
    }
)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("claimed", [2**62, 2**40, 10_000_000])
def test_a_safetensors_header_that_claims_more_than_there_is_is_refused(claimed: int, tmp_path: Path) -> None:
    folder = gpt2_shaped_folder(tmp_path / "model", 1)
    weights = folder / "model.safetensors"
    weights.write_bytes(struct.pack("<Q", claimed) + weights.read_bytes()[8:])
    model = Model(source=str(folder))
    with pytest.raises(ModelError, match="its weights cannot be read"):
        ready_pair(Pair(target=model, draft=model), device="cpu", gpu_given=False)


@pytest.mark.usefixtures("little_memory")
def test_a_saved_state_that_claims_more_cells_than_it_has_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.rust_agg"
    path.write_bytes(_state_of_many_groups())
    with pytest.raises(TraceError, match="ends too early"):
        aggregate.load(path)


def _state_of_many_groups() -> bytes:
    """A state of 200,000 groups on a joint grid of a thousand bins to the side, and not one count."""
    import xxhash

    grid = [k / 1000 for k in range(1001)]
    plain = rust_agg.fold(
        [],
        [],
        rust_agg.Groups(_NOBODY, ["g"], []),
        grids=rust_agg.Grids(probability=[0.0, 1.0], difference=[-1.0, 1.0], joint=grid),
    )
    saved = plain.to_bytes()
    start = saved.index(b"\x01\x01g", 28)
    n = 200_000
    many = _leb128(n) + b"".join(b"\x07" + f"{k:07}".encode() for k in range(n))
    payload = saved[28:start] + many + b"\x00\x00"
    digest = xxhash.xxh64_intdigest(payload)
    return saved[:12] + struct.pack("<QQ", len(payload), digest) + payload


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.parametrize("content", ["[" * 200_000, "{}" + " " * 10])
def test_a_file_of_json_is_looked_at_before_it_is_read(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    if content.startswith("["):
        with pytest.raises(ValueError, match="nested too deeply"):
            files.read_json(path)
    with path.open("r+b") as file:
        file.truncate(files.MOST_JSON + 1)
    with pytest.raises(ValueError, match="wanted at most"):
        files.read_json(path)
