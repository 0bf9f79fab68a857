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

.PHONY: conformance
conformance: ## every integration type end to end against its provider's dialect; UPDATE_INTEGRATIONS=1 rewrites docs/integrations.md
	@mkdir -p target
	cargo test --locked --package tokend-tests --test conformance -- --nocapture >target/conformance.log 2>&1 || { cat target/conformance.log; exit 1; }
	@sed -n '/^conformance: types$$/,/^conformance: [0-9]/p' target/conformance.log

.PHONY: model
model: ## check the refresh protocol exhaustively: every fault at every step, for every provider class
	@mkdir -p target
	cargo test --locked --package tokend-vending --test model -- --nocapture >target/model.log || { cat target/model.log; exit 1; }
	@grep ' states ' target/model.log && grep -o 'model: .*' target/model.log

SEEDS ?= 10000
# Many seeds are worth the time that an optimized build takes.
OPTIMIZED = $(shell [ $(SEEDS) -gt 50000 ] && echo --release)

.PHONY: sim
sim: ## simulate the refresh engine under faults that a seed decides: SEEDS=1000000 for more, SEED=7 replays one
	@mkdir -p target
	SEEDS=$(SEEDS) cargo test $(OPTIMIZED) --locked --package tokend-vending --test simulation -- --nocapture >target/sim.log || { cat target/sim.log; exit 1; }
	@grep ' broken within ' target/sim.log && grep -o 'simulation: .*' target/sim.log

KILLS ?= 200

.PHONY: rig-crash
rig-crash: ## kill replicas under load, again and again: KILLS=1000 for more, SEED=7 for the same choices again
	KILLS=$(KILLS) CONNECTIONS=350 tests/faults/run rig-crash p01_

ROUNDS ?= 100
CALLERS ?= 10000

.PHONY: rig-burst
rig-burst: ## very many callers on one token that ran out: ROUNDS and CALLERS say how often and how many
	ROUNDS=$(ROUNDS) CALLERS=$(CALLERS) tests/faults/run rig-burst p03_

RESTARTS ?= 100

.PHONY: rig-restart
rig-restart: ## restart replicas one after the other under load: RESTARTS says how often
	RESTARTS=$(RESTARTS) tests/faults/run rig-restart p18_

.PHONY: rig-pause
rig-pause: ## stop a replica in the middle of a refresh for longer than its claim lasts
	tests/faults/run rig-pause p05_

OUTAGE_SECONDS ?= 60

.PHONY: rig-outage
rig-outage: ## the database away and slow, a replica cut off, the provider away: OUTAGE_SECONDS=900 for a long one
	OUTAGE_SECONDS=$(OUTAGE_SECONDS) SLOW_SECONDS=20 STALE_LIMIT=20 CONNECTIONS=50 tests/faults/run rig-outage outage::

FAILOVERS ?= 20

.PHONY: rig-failover
rig-failover: ## the database's primary is lost under load, and its standby takes over: FAILOVERS=500 for more
	FAILOVERS=$(FAILOVERS) tests/faults/run rig-failover p06_

CLOCK_SECONDS ?= 60

.PHONY: rig-clocks
rig-clocks: ## replicas whose clocks are ten minutes ahead and behind: CLOCK_SECONDS says for how long
	CLOCK_SECONDS=$(CLOCK_SECONDS) tests/faults/run rig-clocks p16_

CANCELS ?= 50000
.PHONY: rig-cancel
rig-cancel: ## CANCELS=50000 callers go away at any moment: no renewed token is lost, no transaction stays open
	@mkdir -p target
	CANCELS=$(CANCELS) tests/rigs/postgres run cargo test --locked --package tokend-tests --test contract p10_ -- --nocapture >target/rig-cancel.log 2>&1 || { cat target/rig-cancel.log; exit 1; }
	@grep 'cancelled calls: ' target/rig-cancel.log

EXPIRING ?= 100000
.PHONY: rig-expiry
rig-expiry: ## EXPIRING=100000 connections are due at once: renewed in time, at no more than the provider's rate
	@mkdir -p target
	EXPIRING=$(EXPIRING) tests/rigs/postgres run cargo test --locked --package tokend-tests --test contract p29_ -- --nocapture >target/rig-expiry.log 2>&1 || { cat target/rig-expiry.log; exit 1; }
	@grep 'P-29: ' target/rig-expiry.log

SECONDS ?= 60
.PHONY: fuzz
fuzz: ## feed strange bytes to all that reads strangers' bytes: SECONDS of each target; make fuzz TARGETS=jwt for some
	tests/fuzz/run $(SECONDS) $(TARGETS)

SAMPLES ?= 1000000
.PHONY: bench-key-timing
bench-key-timing: ## does the time to refuse an API key tell what was wrong with it: SAMPLES of each kind, on a quiet machine
	SAMPLES=$(SAMPLES) cargo bench --locked --package tokend-access --bench api_key_timing

OPERATIONS ?= 100000
.PHONY: rig-isolation
rig-isolation: ## OPERATIONS=1000000 random operations over five workspaces: every token is the asker's own; SEED=7 draws the same again
	@mkdir -p target
	OPERATIONS=$(OPERATIONS) cargo test --release --locked --package tokend-tests --test isolation -- --nocapture >target/rig-isolation.log 2>&1 || { cat target/rig-isolation.log; exit 1; }
	@grep -o 'isolation: .*' target/rig-isolation.log

.PHONY: bench-access
bench-access: ## what each authenticator, policy and audit sink adds to a GetConnection, as a ratio; about a minute
	cargo bench --locked --package tokend-tests --bench access

VENDS ?= 1000000
.PHONY: rig-audit
rig-audit: ## VENDS=1000000 tokens vended while audit sinks fail, hang and processes are killed: none without its record
	@mkdir -p target
	VENDS=$(VENDS) cargo test --locked --release --package tokend-server --lib audit::tests::rig:: -- --nocapture >target/rig-audit.log 2>&1 || { cat target/rig-audit.log; exit 1; }
	@grep -o 'rig-audit .*' target/rig-audit.log

FLOOD_SECONDS ?= 20
FLOOD_RATE ?= 5
.PHONY: rig-flood
rig-flood: ## a peer floods, and a well-behaved caller is timed beside it: FLOOD_SECONDS and FLOOD_RATE (of each kind, a second)
	@mkdir -p target
	FLOOD_SECONDS=$(FLOOD_SECONDS) FLOOD_RATE=$(FLOOD_RATE) cargo test --locked --package tokend-tests --test contract flood_ratio::a_flood -- --nocapture >target/rig-flood.log 2>&1 || { cat target/rig-flood.log; exit 1; }
	@grep -o 'flooding: .*' target/rig-flood.log

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
	rm -rf tests/rigs/oidc-provider/node_modules tests/rigs/typescript/node_modules
