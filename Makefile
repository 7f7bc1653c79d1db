# Short names for what one does here. CONTRIBUTING.md says what each is for.
BUILD ?= build/release
PREFIX ?= /usr/local

.PHONY: all build setup demo test test-fast format check-format bench fuzz install clean

all: build

build: setup
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build $(BUILD) --parallel

setup:
	@tools/setup.sh

demo: build
	@tools/demo.sh $(BUILD)

test:
	@tools/setup.sh test
	@tools/test.sh all

test-fast:
	@tools/setup.sh test
	@tools/test.sh release

format:
	@tools/format.sh

check-format:
	@tools/format.sh --check

bench: build
	@$(BUILD)/apps/cli/sam2 bench

fuzz: setup
	@tools/fuzz.sh

install: build
	@cmake --install $(BUILD)

clean:
	@rm -rf build demo
