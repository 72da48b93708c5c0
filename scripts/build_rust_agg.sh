#!/usr/bin/env bash
# Build the Rust extension from source and unpack its wheel into a folder for PYTHONPATH.
# Usage: build_rust_agg.sh FOLDER
set -euo pipefail

folder=$1
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
maturin build --release --locked --manifest-path "$(dirname "$0")/../rust_agg/Cargo.toml" --out "$wheels"
mkdir -p "$folder"
python -m zipfile --extract "$wheels"/*.whl "$folder"
