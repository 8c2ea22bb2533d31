# Short names for what CMake, ./setup and scripts/ do. `make help` lists them.
export LORA_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lora.cpp
export CCACHE_DIR ?= $(LORA_CACHE)/ccache

DEMO = examples/json-extraction/config.toml

.PHONY: help setup build demo test test-slow bench fuzz format lint clean

help:
	@echo 'make setup      system packages and pinned parts (./setup --help for more)'
	@echo 'make build      the program, build/lora'
	@echo 'make demo       fine-tune the small example model and compare it with its base'
	@echo 'make test       unit, parity and end-to-end tests, sanitizers, a short fuzz'
	@echo 'make test-slow  the tests that take long'
	@echo 'make bench      how fast training steps are here, and how fast they could be'
	@echo 'make fuzz       fuzz every parser (FUZZ_SECONDS=600 each)'
	@echo 'make format     rewrite the sources by .clang-format'
	@echo 'make lint       formatting, house rules, shell scripts'
	@echo 'make clean      remove the build directories (outputs/ and the cache stay)'

setup:
	./setup

build: setup
	cmake --preset release
	cmake --build --preset release

demo: build
	scripts/demo.sh $(DEMO)

test:
	scripts/test.sh

test-slow:
	scripts/test.sh setup build slow

bench:
	scripts/test.sh setup bench

fuzz:
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) scripts/test.sh setup fuzz

format lint:
	scripts/lint.sh $@

clean:
	rm -rf build build-dev build-asan build-asan-torch build-tsan build-clang build-fuzz
