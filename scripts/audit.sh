#!/usr/bin/env bash
# What is known of holes in specgap's dependencies. Never fails: a machine need not reach the databases.
set -uo pipefail
cd "$(dirname "$0")/.."

requirements=$(mktemp)
trap 'rm -f "$requirements"' EXIT
.venv/bootstrap/bin/uv export --frozen --all-extras --no-emit-project --no-hashes --quiet > "$requirements"

echo "audit: pip-audit"
.venv/bootstrap/bin/uv tool run --quiet pip-audit --strict --no-deps --disable-pip -r "$requirements" ||
	echo "audit: pip-audit found holes, or cannot be had here, or does not reach its database"

for tool in audit deny; do
	if command -v "cargo-$tool" > /dev/null; then
		echo "audit: cargo $tool"
		arguments=()
		[ "$tool" = deny ] && arguments=(check advisories)
		(cd rust_agg && timeout 120 cargo "$tool" "${arguments[@]}") ||
			echo "audit: cargo $tool found holes, or does not reach its database"
	else
		echo "audit: cargo $tool is not installed here; cargo install --locked cargo-$tool"
	fi
done
