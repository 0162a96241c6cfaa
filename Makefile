SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The parts share one target directory, and their wall times are only worth something one at a time.
.NOTPARALLEL:
# The tools leave no __pycache__ in the tree.
export PYTHONDONTWRITEBYTECODE := 1

PYTHON ?= python3
BOOTSTRAP := target/lambda/bootstrap/bootstrap
CARGO_DENY := target/tools/bin/cargo-deny
CARGO_DENY_VERSION := 0.20.2

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/requirements ## the emulators and cargo-lambda, from PyPI, into .venv

.venv/requirements: tools/requirements.txt
	@tools/timed setup $(MAKE) --no-print-directory virtual-environment
	@cp $< $@

.PHONY: virtual-environment
virtual-environment:
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt

.PHONY: test
test: setup lint dependencies tools-test cargo-test example build release-test contract ## everything that has to hold
	@echo 'make test: everything holds'

.PHONY: lint
lint: ## formatting and clippy
	@tools/timed 'formatting' cargo fmt --all --check
	@tools/timed 'clippy' cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: dependencies
dependencies: setup
	@tools/timed 'dependencies' .venv/bin/python tools/check_dependencies.py

.PHONY: tools-test
tools-test: setup
	@tools/timed 'tests of the tools' .venv/bin/python -m unittest discover --start-directory tools

.PHONY: cargo-test
cargo-test: setup
	@tools/timed 'cargo test' cargo test --locked --workspace

# Ends by itself in under half a minute; more means that it hangs.
.PHONY: example
example:
	@tools/timed 'local run, built' cargo build --locked --example local
	@tools/timed 'local run' timeout 60 cargo run --locked --example local

# For this machine's architecture: cargo-lambda's own default, without a look at what rustup has installed.
.PHONY: build
build: setup ## the release binary, as `sam build` makes it: target/lambda/bootstrap/bootstrap
	@PATH="$(CURDIR)/.venv/bin:$$PATH" tools/timed 'release build' cargo lambda build --release --locked --skip-target-check

.PHONY: release-test
release-test: setup
	@BOOTSTRAP=$(BOOTSTRAP) tools/timed 'tests on the release binary' cargo test --locked --workspace --test it release::

.PHONY: contract
contract: setup
	@tools/timed 'contract' .venv/bin/python tools/check_contract.py

.PHONY: audit
audit: $(CARGO_DENY) ## licences, bans and sources of the dependencies (cargo-deny, built once; takes minutes)
	@tools/timed 'audit' $(CARGO_DENY) --locked check licenses bans sources

$(CARGO_DENY):
	@tools/timed 'cargo-deny' cargo install --locked --root target/tools cargo-deny --version $(CARGO_DENY_VERSION)
