#!/usr/bin/env bash
# Say in one sentence each what this machine lacks (exit 2), then make .venv/ and the installer that fills it.
# Usage: bootstrap.sh PYTHON UV_VERSION
set -euo pipefail

python=$1
uv_version=$2
needed_gib=10

fail() {
    echo "specgap: $*" >&2
    exit 2
}

command -v "$python" >/dev/null || fail "no $python on PATH; wanted Python 3.11 or newer (make PYTHON=/path/to/python3.11)"
found=$("$python" -c 'import platform; print(platform.python_version())')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is Python $found; wanted 3.11 or newer (make PYTHON=/path/to/python3.11)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python $found has no venv module; wanted one (on Debian: apt install python3-venv)"
command -v cargo >/dev/null ||
    fail "no cargo on PATH; wanted Rust 1.89 or newer (https://rustup.rs), since rust_agg is built from source"
rust=$(cargo --version | awk '{print $2}')
[ "$(printf '1.89\n%s\n' "$rust" | sort -V | head -n 1)" = 1.89 ] ||
    fail "cargo is $rust; wanted 1.89 or newer (rustup update)"
[ -x .venv/bin/python ] || {
    free_gib=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
    [ "$free_gib" -ge "$needed_gib" ] ||
        fail "$free_gib GiB free on the disk of $PWD; wanted $needed_gib GiB, most of it for torch's CUDA build"
    "$python" -m venv .venv
}
[ -x .venv/bootstrap/bin/uv ] || {
    "$python" -m venv .venv/bootstrap
    .venv/bootstrap/bin/pip install --quiet "uv==$uv_version" ||
        fail "PyPI cannot be reached; wanted a network for the first call, or a mirror in pip's own configuration"
}
