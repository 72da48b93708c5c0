#!/usr/bin/env bash
# Say in one sentence each what this machine lacks before anything is downloaded; exit 2.
# Usage: preflight.sh PYTHON
set -euo pipefail

python=$1
needed_gib=10

fail() {
    echo "specgap: $*" >&2
    exit 2
}

command -v "$python" >/dev/null || fail "no $python on PATH; wanted Python 3.11 or newer (set PYTHON=/path/to/python3.11)"
found=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is Python $found; wanted 3.11 or newer (set PYTHON=/path/to/python3.11)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python $found has no venv module; wanted one (on Debian: apt install python3-venv)"
command -v cargo >/dev/null ||
    fail "no cargo on PATH; wanted Rust 1.85 or newer (https://rustup.rs), since rust_agg is built from source"
free_gib=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
[ "$free_gib" -ge "$needed_gib" ] ||
    fail "$free_gib GiB free on the disk of $PWD; wanted $needed_gib GiB, most of it for torch's CUDA build"
"$python" -m pip download --quiet --no-deps --no-cache-dir --dest "$(mktemp -d)" uv==0.13.9 2>/dev/null ||
    [ -x .venv/bootstrap/bin/uv ] ||
    fail "PyPI cannot be reached by $python -m pip; wanted network for the first call (or a mirror in pip's own configuration)"
