"""The conda environments: every rule has one, and it provides what the rule's scripts import."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.support.imports import third_party_imports
from tests.support.sandbox import ROOT

pytestmark = pytest.mark.slow

#: conda-forge's name of a package, where it is not that of the import.
CONDA = {
    "PIL": "pillow",
    "matplotlib": "matplotlib-base",
    "torch": "pytorch",
    "xxhash": "python-xxhash",
    "yaml": "pyyaml",
}
#: PyPI's name of a package, where it is not conda-forge's.
PYPI = {"matplotlib-base": "matplotlib", "pytorch": "torch", "python-xxhash": "xxhash"}
#: What is no package of PyPI, or not locked there.
NOT_LOCKED = {"python", "rust", "c-compiler"}
#: Scripts that a study of counts runs, whatever it is asked for.
OF_COUNTS = (
    *("prepare_prompts", "tabulate_prompts", "tabulate_counts", "tabulate_served_pairs", "power"),
    *("draw_figures", "write_report", "write_bundle"),
)
ENVIRONMENTS = sorted(file.stem for file in (ROOT / "envs").glob("*.yaml"))


def specs(environment: str) -> dict[str, str]:
    """Return an environment's packages with their bounds."""
    described = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())
    assert described["channels"] == ["conda-forge", "nodefaults"]
    return dict(line.split(" ", 1) for line in described["dependencies"])


def rules() -> dict[str, str]:
    """Return the text of every rule that runs a command, with that of the functions that it names."""
    texts = [file.read_text() for file in sorted((ROOT / "workflow/rules").glob("*.smk"))]
    functions = {
        found[1]: found[0]
        for text in texts
        for found in re.finditer(r"^def (\w+)\(.*?(?=^\S)", text, re.M | re.S)
    }
    found = {}
    for text in texts:
        for block in re.split(r"^ *(?:rule|checkpoint)\b(?= ?\w*:)", text, flags=re.M)[1:]:
            block = re.split(r"^(?:use )", block, flags=re.M)[0]
            if "    shell:" not in block:
                continue
            named = [body for name, body in functions.items() if re.search(rf"\b{name}\b", block)]
            found[f"{len(found)} {block.strip()[:60]}"] = "\n".join([block, *named])
    return found


def scripts_in(text: str) -> set[str]:
    return set(re.findall(r"""(?:specgap |")(\w+\.py)\b""", text))


def scripts_of(environment: str) -> set[str]:
    texts = [text for text in rules().values() if f"envs/{environment}.yaml" in text]
    return set.union(*map(scripts_in, texts))


def test_every_rule_names_an_environment() -> None:
    found = rules()
    assert len(found) > 20
    for rule, text in found.items():
        assert re.search(r'conda:\n\s+"\.\./\.\./envs/(\w+|\{environment\})\.yaml"', text), rule


def test_every_script_of_a_rule_has_an_environment() -> None:
    by_hand = {"check.py", "demonstrate.py", "unpack_bundle.py", "write_config_reference.py"}
    everything = {file.name for file in (ROOT / "scripts").glob("*.py")}
    assert set.union(*map(scripts_of, ENVIRONMENTS)) == everything - by_hand


@pytest.mark.parametrize("environment", ["analysis", "trace"])
def test_an_environment_provides_every_import_of_its_scripts(environment: str) -> None:
    provided = set(specs(environment))
    for script in sorted(scripts_of(environment)):
        # rust_agg comes from the rule that builds it, over PYTHONPATH.
        wanted = {
            CONDA.get(name, name) for name in third_party_imports(ROOT / "scripts" / script) - {"rust_agg"}
        }
        assert wanted <= provided, f"{script} in {environment}.yaml"


def test_a_rule_has_the_built_extension_as_an_input_exactly_where_its_scripts_import_it() -> None:
    for rule, text in rules().items():
        if found := scripts_in(text):
            imported = any("rust_agg" in third_party_imports(ROOT / "scripts" / name) for name in found)
            assert ("<build>/rust_agg" in text) == imported, rule


@pytest.mark.parametrize("script", OF_COUNTS)
def test_a_study_of_counts_imports_neither_the_extension_nor_what_runs_models(script: str) -> None:
    imported = third_party_imports(ROOT / f"scripts/{script}.py")
    assert not {"rust_agg", "torch", "transformers"} & imported


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_package_has_a_lower_and_an_upper_bound(environment: str) -> None:
    for name, bounds in specs(environment).items():
        assert re.fullmatch(r">=[\d.]+,<[\d.]+", bounds), f"{name} in {environment}.yaml"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_bounds_hold_the_versions_that_are_locked_and_tested(environment: str) -> None:
    locked: dict[str, list[str]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        locked.setdefault(package["name"], []).append(package.get("version", "0"))
    for name, bounds in specs(environment).items():
        if name not in NOT_LOCKED:
            versions = locked[PYPI.get(name, name).replace("_", "-")]
            assert any(SpecifierSet(bounds).contains(version) for version in versions), (name, versions)


def test_scikit_learn_stays_out_of_traces_and_torch_may_be_one_of_cuda_12() -> None:
    trace = specs("trace")
    assert not {"scikit-learn", "pip"} & set(trace)
    # conda-forge built it with CUDA 12.6 (pytorch 2.5.1, build cuda126_generic).
    assert Version("2.5.1") in SpecifierSet(trace["pytorch"])


def test_a_third_party_import_counts_where_its_function_is_reached(tmp_path: Path) -> None:
    unused, used = tmp_path / "unused.py", tmp_path / "used.py"
    unused.write_text("from specgap.files import xxh3_128\n")
    used.write_text("from specgap.files import xxh3_128\nprint(xxh3_128)\n")
    assert third_party_imports(unused) == set()
    assert third_party_imports(used) == {"xxhash"}


def test_whatever_asks_the_network_runs_where_snakemake_itself_runs() -> None:
    texts = [file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk")]
    blocks = re.findall(r"^localrules:\n((?:    \w+,\n)+)", "\n".join(texts), re.M)
    local = set(re.findall(r"\w+", "".join(blocks)))
    asking = re.compile(r"specgap fetch_|build_rust_agg\.sh|environments/")
    rules_that_ask = {
        found[1]
        for text in texts
        for found in re.finditer(r"^(?:rule|checkpoint) (\w+):\n(?:(?:    .*)?\n)+", text, re.M)
        if asking.search(found[0])
    }
    assert {"fetch_model", "fetch_dataset", "fetch_honest", "build_rust_agg", "prefetch"} <= rules_that_ask
    assert rules_that_ask <= local
