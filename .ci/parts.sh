# Runs the parts of a long test run: the minutes of each, all tests counted together, an end at the first that fails.
# Sourced by `.ci/run` and `.ci/all`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=$(mktemp)
minutes=()
trap 'rm -f "$output"' EXIT

part() { # NAME COMMAND...
	local name=$1 began=$SECONDS status=0
	shift
	printf '\nspecgap: %s: %s\n' "$name" "$*"
	"$@" 2>&1 | tee -a "$output" || status=$?
	minutes+=("$(awk -v s=$((SECONDS - began)) -v name="$name" 'BEGIN { printf "%6.1f min  %s", s / 60, name }')")
	if ((status)); then
		printf '\nspecgap: %s failed\n' "$name"
		totals
		exit 1
	fi
}

totals() {
	printf '\n'
	printf '%s\n' "${minutes[@]}"
	awk -v s=$SECONDS 'BEGIN { printf "%6.1f min  in all\n\n", s / 60 }'
	# The closing lines of pytest (`== 3 failed, 9 passed in 2s ==`) and cargo (`test result: ok. 9 passed; 0 failed;`).
	awk '
		/^=* ?([0-9]+ [a-z]+, )*[0-9]+ (passed|failed|errors?)(,.*)? in [0-9.]+s/ || /^test result: / {
			line = $0
			while (match(line, /[0-9]+ (passed|failed|error)/)) {
				split(substr(line, RSTART, RLENGTH), found, " ")
				n[found[2]] += found[1]
				line = substr(line, RSTART + RLENGTH)
			}
		}
		END { printf "%d passed, %d failed\n", n["passed"], n["failed"] + n["error"] }
	' "$output"
}
