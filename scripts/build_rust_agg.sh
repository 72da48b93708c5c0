#!/usr/bin/env bash
# Build the Rust extension from source and unpack its wheel into a folder for PYTHONPATH; copy the folder MADE
# instead where it is another one and younger than every source.
# Usage: build_rust_agg.sh FOLDER MADE SOURCE…
set -euo pipefail

folder=$1 made=$2
shift 2
beside=$folder.part
wheels=$(mktemp -d)
trap 'rm -rf "$wheels" "$beside"' EXIT
mkdir -p "$(dirname "$folder")"
if [[ $made != "$folder" && -d $made && -z $(find "$@" -newer "$made") ]]; then
    cp -r "$made" "$beside"
else
    maturin build --release --locked --manifest-path "$(dirname "$0")/../rust_agg/Cargo.toml" --out "$wheels"
    python -m zipfile --extract "$wheels"/*.whl "$beside"
fi
rm -rf "$folder"
mv "$beside" "$folder"
