# Everything here works in .venv/, which the first call makes from uv.lock.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
SOAK_MINUTES ?= 30
FUZZ_MINUTES ?= 10
UV_VERSION := 0.13.9

UV := .venv/bootstrap/bin/uv
RUST_SOURCES := $(shell find rust_agg -path rust_agg/target -prune -o -type f \( -name '*.rs' -o -name '*.toml' -o -name 'Cargo.lock' -o -name '*.pyi' \) -print)
# Kept apart from a user's own environment; the trace code wants one thread where the cores are shared.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONPATH
# How much is tried (tests/support/size.py): small, or full as in `make test-all`.
SIZE ?= small
export SPECGAP_SIZE := $(SIZE)
OF_SIZE := $(if $(filter full,$(SIZE)),,and not full)
# Tests with a target of their own; pyproject.toml leaves them out of a plain `pytest`.
APART := simulation or faults or conda or cluster
# Modules go to whichever process is free, the longest first (tests/conftest.py).
SHARED := -n $(CORES) --dist loadfile --no-loadscope-reorder

.PHONY: set-up figures bundle demonstration test test-landing test-all test-times test-conda test-faults test-statistics test-cluster reliability soak fuzz mutations audit quick check format \
	schema docs bench-aggregate bench-trace bench-dag bench-inference lock clean

figures: .venv/.rust_agg ## the whole figure set of the embedded study, and results/report.html; FROM=bundle.zip: of a bundle
ifdef FROM
	@python scripts/unpack_bundle.py "$(FROM)" "$(FROM:.zip=)"
	@snakemake --cores $(CORES) --directory "$(FROM:.zip=)" --configfile "$(FROM:.zip=)/config.yaml"
	@echo "specgap: open $(FROM:.zip=)/results/report.html; what the bundle held is in $(FROM:.zip=)/original/"
else
	@snakemake --cores $(CORES)
	@echo "specgap: open results/report.html"
endif

bundle: .venv/.rust_agg ## results/bundle.zip: the embedded study without token records, to be drawn again elsewhere
	@snakemake --cores $(CORES) bundle
	@echo "specgap: results/bundle.zip"

set-up: .venv/.rust_agg ## .venv/ with everything that the other targets use

test: .venv/.rust_agg ## what a reader may rely on, in six minutes on two cores
	cargo test --locked --quiet --manifest-path rust_agg/Cargo.toml
	pytest $(SHARED)

test-landing: .venv/.rust_agg ## what `.ci/run` tests beside `make test` and the targets below
	pytest $(SHARED) -m "(landing or full) and not ($(APART)) $(OF_SIZE)"

test-all: ## everything there is, at full size, in hours; its last run stands in docs/reliability.md
	@bash .ci/all

test-times: .venv/.rust_agg ## tests/times.json, by which processes share the tests: run it alone
	pytest $(SHARED) -m "not ($(APART))" --junit-xml .venv/times.xml
	python -m tests.support.times .venv/times.xml

# At full size the embedded study is held against what `make figures` has drawn.
test-conda: $(if $(filter full,$(SIZE)),figures,.venv/.rust_agg) ## a study with --use-conda through a stand-in for conda; SIZE=full: the embedded one too
	pytest -m "conda $(OF_SIZE)" --basetemp .venv/test-conda tests/conda
	rm -rf .venv/test-conda

test-faults: .venv/.rust_agg ## kills, full disks, damaged shards; needs root for its tmpfs; SIZE=full: five times as many
	pytest -n 2 --dist worksteal -m "faults $(OF_SIZE)" tests/faults

reliability: .venv/.rust_agg ## the table of docs/reliability.md, counted anew at full size
	$(MAKE) test-faults SIZE=full
	python -m tests.faults.table

soak: .venv/.rust_agg ## small studies in a loop, killed at random; SOAK_MINUTES=30
	python -m tests.faults.soak $(SOAK_MINUTES)

fuzz: .venv/.rust_agg ## readers of untrusted files, for FUZZ_MINUTES=10
	python -m tests.fuzz.run $(FUZZ_MINUTES)

mutations: .venv/.rust_agg ## planted faults, and which tests catch them: tests/mutations.md; hours; MUTATIONS="--only before"
	@$(UV) sync --frozen --all-extras --group mutations --inexact --quiet
	python -m tests.mutations $(MUTATIONS)

audit: .venv/.ready ## known holes in what specgap is built on, where their databases can be had
	@bash scripts/audit.sh

quick: .venv/.rust_agg ## while editing, in half a minute: no Snakemake, no torch
	pytest -q $(SHARED) -m "not (slow or landing or full or $(APART))"

test-statistics: .venv/.rust_agg ## simulated studies, 400 worlds each; SIZE=full: 2,000, and the table of docs/statistics.md
	rm -rf .venv/measured
	SPECGAP_MEASURED=.venv/measured pytest -n $(CORES) --dist worksteal -m "simulation $(OF_SIZE)" tests/statistics
ifeq ($(SIZE),full)
	@python -m tests.statistics.table .venv/measured
endif

demonstration: .venv/.rust_agg ## three studies whose truth is known, and what is said of them: results/demonstration/
	@python scripts/demonstrate.py results/demonstration
	@echo "specgap: results/demonstration/known_truth.png"

test-cluster: .venv/.rust_agg ## profiles and faults on a real Slurm that is brought up here (root, Debian); SIZE=full: two hundred jobs too
	pytest -n 4 --dist worksteal --durations 0 --durations-min 5 -m "cluster $(OF_SIZE)" tests/cluster

check: .venv/.rust_agg ## formats, lints, types
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
	cargo fmt --check --manifest-path rust_agg/Cargo.toml
	cargo clippy --locked --all-targets --quiet --manifest-path rust_agg/Cargo.toml -- -D warnings

format: .venv/.rust_agg
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow
	cargo fmt --manifest-path rust_agg/Cargo.toml

schema: .venv/.rust_agg ## config/README.md and workflow/schemas/ from specgap.config
	python scripts/write_config_reference.py config/README.md workflow/schemas/config.schema.json

docs: .venv/.rust_agg ## the table of docs/change_one_thing.md
	@python -m tests.support.changes

bench-aggregate: .venv/.rust_agg ## rust_agg beside its peers, in at most 20 minutes and 4 GB of disk; benchmarks/README.md
	cargo build --locked --release --quiet --example decode_floor --manifest-path rust_agg/Cargo.toml
	python -m benchmarks.aggregate.run

bench-trace: .venv/.rust_agg ## paths, tails and replay beside assisted generation, in at most 20 minutes; benchmarks/README.md
	python -m benchmarks.trace.run

bench-dag: .venv/.rust_agg ## how long a dry run of a large study takes, and the tiny one whole; about five minutes; benchmarks/README.md
	python -m benchmarks.dag.run

bench-inference: .venv/.rust_agg ## tables of large studies, the test of all gaps beside SciPy; about three minutes; benchmarks/README.md
	python -m benchmarks.inference.run

lock: .venv/.rust_agg ## after an edit of pyproject.toml
	$(UV) lock

clean: ## what was computed; models and downloads stay in resources/
	rm -rf results .snakemake

.venv/.ready: pyproject.toml uv.lock
	@bash scripts/bootstrap.sh "$(PYTHON)" $(UV_VERSION)
	@echo "specgap: installing the locked environment into .venv/ (about 3 GB to download the first time)"
	@$(UV) sync --frozen --all-extras --compile-bytecode --quiet
	@touch $@

.venv/.rust_agg: .venv/.ready $(RUST_SOURCES)
	@echo "specgap: building rust_agg (about two minutes the first time)"
	@PATH="$(CURDIR)/.venv/bootstrap/bin:$$PATH" maturin develop --uv --release --locked --quiet --manifest-path rust_agg/Cargo.toml
	@touch $@
