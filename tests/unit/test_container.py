"""The container recipe: linted and held against the files that it is made from; no image is built here."""

import re
import subprocess
import tomllib
from pathlib import Path

from tests.support.sandbox import ROOT

RECIPE = ROOT / "containers/Dockerfile"


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run(["hadolint", str(RECIPE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    lines = re.findall(r"^COPY (.+)$", RECIPE.read_text(), flags=re.MULTILINE)
    copied = [Path(name) for line in lines for name in line.split()[:-1]]
    assert copied
    ignored = (ROOT / ".dockerignore").read_text().split()
    for file in copied:
        assert (ROOT / file).is_file()
        assert f"!{file}" in ignored


def test_rust_and_the_installer_are_the_versions_that_are_wanted_elsewhere() -> None:
    recipe = RECIPE.read_text()
    rust = tomllib.loads((ROOT / "rust_agg/Cargo.toml").read_text())["package"]["rust-version"]
    assert re.search(rf"^FROM rust:{re.escape(rust)}\.\d+-slim-bookworm$", recipe, flags=re.MULTILINE)
    (uv,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert f"uv=={uv}" in recipe
    assert "uv sync --frozen" in recipe
