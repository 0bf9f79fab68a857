# The menu: `make` lists it. Every line here is also what a person would type.

.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## see a token vended, in one process: needs Rust, with the C compiler it links with
	cargo run --locked --bin tokend -- demo

.PHONY: run
run: ## start the server with the settings of ./tokend.toml, or the defaults
	cargo run --locked --bin tokend -- serve

.PHONY: check
check: fmt-check clippy deny doc test ## everything CI checks: format, lints, dependencies, docs, tests

.PHONY: test
test: ## all tests, on SQLite and a throwaway PostgreSQL, with the real grpcurl and oidc-provider
	tests/rigs/postgres run tests/rigs/run-tests --locked

.PHONY: test-sqlite
test-sqlite: ## the tests that need Rust only
	tests/rigs/run-tests --sqlite --locked

.PHONY: model
model: ## check the refresh protocol exhaustively: every fault at every step, for every provider class
	@mkdir -p target
	cargo test --locked --package tokend-vending --test model -- --nocapture >target/model.log || { cat target/model.log; exit 1; }
	@grep ' states ' target/model.log && grep -o 'model: .*' target/model.log

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check

.PHONY: clippy
clippy: ## lint, warnings are errors
	cargo clippy --locked --workspace --all-targets -- -D warnings

# advisories are fetched from the RustSec repository; leave them out where that is out of reach
DENY ?= advisories bans licenses sources

.PHONY: deny
deny: ## check licences, advisories and sources of the dependencies (needs cargo-deny)
	@if cargo deny --version >/dev/null 2>&1; then \
	  set -x; cargo deny --locked --workspace check $(DENY); \
	else \
	  echo "SKIPPED: cargo-deny is not installed (cargo install --locked cargo-deny)"; \
	fi

.PHONY: doc
doc: ## build the documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

.PHONY: clean
clean: ## remove everything that was built or installed here
	cargo clean
	rm -rf tests/rigs/oidc-provider/node_modules
