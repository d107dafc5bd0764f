# The front door: one line a target; the work is in CMake and scripts/.
.DEFAULT_GOAL := help
.PHONY: help demo test interop prove prove-long coverage bench install package package-test kelvin-app docs fuzz format lint release check clean packages

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: release ## the main job on your machine, no account needed (about 20 seconds)
	@build/release/volume-uploader demo

test: packages ## installs what is missing, builds, runs the tests
	@scripts/install-packages test
	@cmake --workflow --preset dev

interop: release ## other people's readers, SDKs and publisher against ours
	@scripts/interop

prove: packages ## no reading lost, none twice: docs/durability-report.md, in ten minutes
	@scripts/install-packages prove
	@scripts/prove

prove-long: packages ## the same in full (hours)
	@scripts/install-packages prove lint
	@scripts/prove long

coverage: packages ## branches of journal, outbox, uploader and pack that no test takes (docs/coverage-exceptions.md)
	@scripts/install-packages test
	@scripts/coverage

bench: packages ## the figures of docs/performance.md
	@scripts/bench

install: release ## into PREFIX (default /usr/local)
	@cmake --install build/release --prefix "$${PREFIX:-/usr/local}" --strip

package: packages ## the Debian package, in build/package/
	@scripts/install-packages package
	@scripts/package

package-test: packages ## packages, image steps and reproducible builds, in clean Debian trees (root, about 50 minutes)
	@scripts/install-packages test package
	@python3 -B tests/package/all.py

kelvin-app: ## the Kelvin app, in build/kelvin-app/; ASSEMBLE="--sign-in token --job warehouse" for another one
	@deploy/kelvin/assemble $(ASSEMBLE) build/kelvin-app

docs: release ## man pages, completions and docs/settings.md from the program's help
	@scripts/make-docs build/release/volume-uploader

release: packages ## builds build/release/volume-uploader
	@cmake --workflow --preset release

fuzz: packages ## every parser for FUZZ_SECONDS (20) with libFuzzer
	@scripts/install-packages test lint
	@scripts/fuzz

check: packages ## beyond CI, before a release: clang, sanitizers, fuzz, lint
	@scripts/install-packages test lint
	@scripts/check-all

format: ## clang-format over the tree
	@scripts/install-packages lint
	@git ls-files '*.c' '*.h' | xargs clang-format -i

lint: packages ## format, layers, banned calls, clang-tidy
	@scripts/install-packages test lint
	@scripts/lint

packages:
	@scripts/install-packages build

clean: ## removes build/
	@rm -rf build
