# Every target is one line of help: `make help` prints them. What needs an `if` is a script.
.DEFAULT_GOAL := help
.PHONY: help run test check fmt bench bench-hostile instructions jepsen planted audit screenshots book packages old-glibc release

help: ## print this list
	@grep -hE '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed 's/: .*## /\t/' | expand -t 15

run: ## build the server and run it here, with its store in ./var; PORT=9191 takes another port
	@scripts/run

test: ## everything that must pass before a change lands: lints, tests from outside, tests of cargo (some minutes)
	@scripts/test

check: ## the fast part of it: format, lints, tests of cargo with few seeds (under two minutes once built)
	@scripts/check

fmt: ## format the code
	@cargo fmt

bench: ## measure beside Redis, etcd, PostgreSQL, throttle, 0.36 and the limits of this machine; writes docs/benchmarks.md (half an hour)
	@scripts/bench

bench-hostile: ## measure what a client notices while another one does its worst; ATTACK_SECONDS=10 shortens each attack
	@scripts/bench hostile

instructions: ## count the instructions of what must stay fast, and compare them with bench/instructions/baseline.json
	@scripts/instructions

screenshots: ## take pictures of the page into target/screenshots, and that of README
	@scripts/screenshots

book: ## render the pages into target/book/html with mdBook, if that is installed
	@scripts/book

jepsen: ## break servers over etcd for MINUTES=30 and judge what their clients were told; SEED=1 chooses the same faults again on the same kind of machine
	@scripts/jepsen

planted: ## build the server with each mistake of tests/history/planted, and have the judge of make jepsen find it (some minutes)
	@scripts/planted

audit: ## judge the dependencies with cargo-deny and cargo-machete
	@scripts/audit

packages: ## make the .deb, the .rpm, an archive and one of lockctl alone into target/packages, with SHA256SUMS
	@scripts/packages

old-glibc: ## build lockctl for every Linux since 2012, glibc 2.17, with zig's linker (minutes at the first time; part of make packages)
	@scripts/old-glibc

release: ## everything of a release short of uploading it, into target/release-VERSION
	@scripts/release
