# The only script surface: people and CI call these targets.

SHELL := /bin/sh
TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(TOOLS)/node_modules/.bin:$(PATH)
DEV = "$${CARGO_TARGET_DIR:-target}/debug/dev"

.PHONY: help
help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Run both services until Ctrl-C: private Postgres, three members, mail into .run/mail
	@exec $(DEV) run

.PHONY: demo
demo: build ## Walk through one invitation, from sending to the acceptance email
	@exec $(DEV) demo

.PHONY: test
test: build ## Run all tests; as root on Debian, install what they need before
	@$(DEV) prepare
	cargo test --workspace --locked --no-fail-fast

.PHONY: smoke
smoke: build need-grpcurl ## Call what `make run` starts with grpcurl, stop it, start it again
	@exec $(DEV) smoke

.PHONY: broken-builds
broken-builds: build ## Break the code on purpose, one place at a time, and see that tests fail
	@exec "$${CARGO_TARGET_DIR:-target}/debug/broken" $(BROKEN)

.PHONY: bench
bench: bench-build ## Measure both services beside the limits of the same Postgres; 45 minutes, target/bench.json
	@exec "$${CARGO_TARGET_DIR:-target}/release/bench" $(BENCH)

.PHONY: bench-quick
bench-quick: bench-build ## The same in under 3 minutes, with fewer loads
	@exec "$${CARGO_TARGET_DIR:-target}/release/bench" --quick $(BENCH)

.PHONY: bench-build
bench-build:
	cargo build --release --locked -p invitations-svc -p notify-svc -p tests --bin invitations-svc --bin notify-svc --bin bench

.PHONY: bench-emails
bench-emails: ## Measure emails per second beside a bare claim and finish of the same Postgres; about 10 minutes
	cargo build --release --locked -p notify-svc -p tests --bin notify-svc --bin bench_emails
	@exec "$${CARGO_TARGET_DIR:-target}/release/bench_emails" $(BENCH)

.PHONY: check
check: need-buf need-cargo-machete ## Format, lints, docs, protos, unused dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked
	cd proto && buf lint && buf format -d --exit-code
	cargo machete

.PHONY: emails
emails: ## Write every email in every language into target/emails and say which page shows them; needs cargo only
	cargo run --quiet --locked -p notify-svc -- gallery "$${CARGO_TARGET_DIR:-target}/emails"

.PHONY: docs
docs: ## Write docs/transitions.md anew from the rules
	UPDATE_DOCS=1 cargo test -p invitations-svc --locked --test transitions

.PHONY: plans
plans: build ## Write docs/plans.md anew: by which plans Postgres executes the hot statements
	UPDATE_DOCS=1 cargo test -p tests --locked --test plans

.PHONY: wal
wal: build ## Print what a send and an email write into the log of Postgres, by table and index
	@exec "$${CARGO_TARGET_DIR:-target}/debug/wal"

.PHONY: tools
tools: grpcurl ## Install what check and smoke need into target/tools (npm, cargo, go)
	command -v buf >/dev/null || npm install --no-audit --no-fund --prefix "$(TOOLS)" @bufbuild/buf@1.75.0
	command -v cargo-machete >/dev/null || cargo install --locked --root "$(TOOLS)" cargo-machete@0.9.2

.PHONY: grpcurl
grpcurl: ## Install grpcurl into target/tools; needs Go only
	command -v grpcurl >/dev/null || GOBIN="$(TOOLS)/bin" go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3

.PHONY: clean
clean: ## Remove what was built and what `make run` keeps: its database and mail
	cargo clean
	if [ -L .run/postgres ]; then rm -rf "$$(readlink .run/postgres)"; fi
	rm -rf .run

.PHONY: build
build:
	cargo build --workspace --bins --locked

need-grpcurl:
	@command -v grpcurl >/dev/null || { echo "grpcurl is missing: make grpcurl" >&2; exit 1; }

need-%:
	@command -v $* >/dev/null || { echo "$* is missing: make tools" >&2; exit 1; }
