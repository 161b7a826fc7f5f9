# s3apfs: one non-recursive Makefile.
#
#   make            build everything (release)          make demo     the main job, on the emulator
#   make check      every test, every sanitizer         make bench    timings
#   make lint       layers, citations, format, tidy     make fuzz     bounded fuzzing
#   make install    DESTDIR= PREFIX=/usr/local          make uninstall, clean, deb, rpm
#
# VARIANT=release|debug|asan|tsan chooses the object folder build/$(VARIANT), so
# variants coexist. Sources are found by folder: a new file needs no edit here.

VARIANT ?= release
PREFIX  ?= /usr/local
BUILD   := build/$(VARIANT)
VERSION := $(shell cat VERSION)

# Lowest first; a layer links and includes only what stands before it.
LAYERS := base aws policy net store state cred s3 data ns fs fuse control app

PKGS      := fuse3 libcurl libcrypto libxml-2.0 libcjson libxxhash sqlite3
EMU_PKGS  := libmicrohttpd libcrypto libxml-2.0 libcjson
TEST_PKGS := criterion libssl

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
        -Wvla -Wundef -Wpointer-arith -Wwrite-strings -Wold-style-definition -Wnull-dereference
FLAGS_release := -O2 -g -DNDEBUG -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
FLAGS_debug   := -O0 -g
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
# gcc's flow analysis reports false positives below instrumentation.
WARN_asan := -Wno-null-dereference -Wno-maybe-uninitialized -Wno-format-truncation
WARN_tsan := -Wno-null-dereference -Wno-tsan

CFLAGS   ?=
override CPPFLAGS += -D_GNU_SOURCE -DFUSE_USE_VERSION=312 -DS3APFS_VERSION='"$(VERSION)"' -Iinclude
override CFLAGS   += -std=gnu11 -pthread -fstack-protector-strong $(FLAGS_$(VARIANT)) $(WARN) $(WARN_$(VARIANT))
LINK     = $(CC) -pthread $(FLAGS_$(VARIANT)) -Wl,-z,relro,-z,now $(LDFLAGS)

pkg_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# --- libraries: one archive a layer -------------------------------------------------------------
lib_srcs = $(sort $(wildcard src/$(1)/*.c) $(wildcard src/$(1)/*/*.c))
define LAYER_LIB
$(BUILD)/lib/$(1).a: $(patsubst src/%.c,$(BUILD)/obj/%.o,$(call lib_srcs,$(1)))
endef
LIB_LAYERS := $(filter-out app,$(LAYERS))
$(foreach l,$(LIB_LAYERS),$(eval $(call LAYER_LIB,$(l))))
$(BUILD)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

OBJ_CFLAGS := $(call pkg_cflags,$(PKGS) $(EMU_PKGS))
$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(OBJ_CFLAGS) -MMD -MP -c $< -o $@

# reverse of $(1); then the archives of layers $(1) and below, highest first
reverse   = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
layers_to = $(if $(filter $(1),$(firstword $(2))),$(1),$(firstword $(2)) $(call layers_to,$(1),$(wordlist 2,$(words $(2)),$(2))))
archives  = $(patsubst %,$(BUILD)/lib/%.a,$(call reverse,$(1)))

# --- programs -----------------------------------------------------------------------------------
PROGRAMS := $(BUILD)/bin/s3apfs $(BUILD)/bin/s3apfs-emulator
APP_OBJS := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(call lib_srcs,app))
EMU_OBJS := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(call lib_srcs,emulator))

$(BUILD)/bin/s3apfs: $(APP_OBJS) $(call archives,$(LIB_LAYERS))
	@mkdir -p $(@D)
	$(LINK) $(APP_OBJS) $(call archives,$(LIB_LAYERS)) $(call pkg_libs,$(PKGS)) -o $@
	ln -sf s3apfs $(@D)/mount.s3apfs

EMU_LIBS := $(call archives,base aws policy)
# Without main(), for the tests and the fuzzers.
$(BUILD)/lib/emulator.a: $(filter-out %/emulator/main.o,$(EMU_OBJS))
$(BUILD)/bin/s3apfs-emulator: $(EMU_OBJS) $(EMU_LIBS)
	@mkdir -p $(@D)
	$(LINK) $(EMU_OBJS) $(EMU_LIBS) $(call pkg_libs,$(EMU_PKGS)) -o $@

# --- unit tests: tests/unit/LAYER/*.c is one Criterion program a layer ----------------------------
# Criterion's own runner cannot start under ThreadSanitizer.
RUNNER_tsan := $(BUILD)/testobj/support/plain_runner.o
RUNNER      := $(RUNNER_$(VARIANT))
UNIT_LAYERS := $(foreach l,$(LIB_LAYERS),$(if $(wildcard tests/unit/$(l)/*.c),$(l)))
UNIT_BINS   := $(patsubst %,$(BUILD)/tests/unit-%,$(UNIT_LAYERS))
# What a layer's tests borrow from another layer's.
UNIT_HELP_s3 := $(BUILD)/testobj/unit/net/server.o
UNIT_HELP_cred := $(BUILD)/testobj/unit/net/server.o
define UNIT_TEST
$(BUILD)/tests/unit-$(1): $(patsubst tests/%.c,$(BUILD)/testobj/%.o,$(wildcard tests/unit/$(1)/*.c)) $(UNIT_HELP_$(1)) $(RUNNER) $(call archives,$(strip $(call layers_to,$(1),$(LIB_LAYERS))))
endef
$(foreach l,$(UNIT_LAYERS),$(eval $(call UNIT_TEST,$(l))))
$(UNIT_BINS):
	@mkdir -p $(@D)
	$(LINK) $^ $(call pkg_libs,$(TEST_PKGS) $(PKGS)) -o $@

# The emulator is a program, not a layer: its tests link its objects without main().
EMU_TESTS := $(patsubst tests/%.c,$(BUILD)/testobj/%.o,$(wildcard tests/unit/emulator/*.c))
ifneq ($(EMU_TESTS),)
UNIT_BINS += $(BUILD)/tests/unit-emulator
endif
$(BUILD)/tests/unit-emulator: $(EMU_TESTS) $(RUNNER) $(BUILD)/lib/emulator.a $(EMU_LIBS)
	@mkdir -p $(@D)
	$(LINK) $^ $(call pkg_libs,$(TEST_PKGS) $(EMU_PKGS)) -o $@

# --- component tests: the client's layers against a running emulator ------------------------------
COMPONENT_BINS := $(patsubst tests/component/%.c,$(BUILD)/tests/component-%,$(wildcard tests/component/test_*.c))
COMPONENT_HELP := $(patsubst tests/%.c,$(BUILD)/testobj/%.o,$(filter-out tests/component/test_%,$(wildcard tests/component/*.c)))
$(COMPONENT_BINS): $(BUILD)/tests/component-%: $(BUILD)/testobj/component/%.o $(COMPONENT_HELP) $(RUNNER) $(call archives,$(LIB_LAYERS))
	@mkdir -p $(@D)
	$(LINK) $^ $(call pkg_libs,$(TEST_PKGS) $(PKGS)) -o $@

TEST_CFLAGS := $(OBJ_CFLAGS) $(call pkg_cflags,$(TEST_PKGS))
$(BUILD)/testobj/%.o: tests/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -Wno-missing-prototypes -Wno-null-dereference $(TEST_CFLAGS) -MMD -MP -c $< -o $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY:

# --- targets ------------------------------------------------------------------------------------
.PHONY: all programs unit component tests-build demo check bench lint fuzz install uninstall clean deb rpm deps-build
deps-build:
	@sh packaging/deps.sh build

all: deps-build
	@$(MAKE) --no-print-directory programs

programs: $(PROGRAMS)
tests-build: $(UNIT_BINS) $(COMPONENT_BINS)
unit: $(UNIT_BINS)
component: $(COMPONENT_BINS) $(PROGRAMS)

clean:
	rm -rf build

# The tests bring what they need; kinds can be named: make check KINDS="unit mount".
check:
	@sh packaging/deps.sh check
	@python3 tests/check.py $(KINDS)

lint:
	@sh packaging/deps.sh check
	@python3 tests/check.py lint

demo:
	@sh packaging/deps.sh demo
	@$(MAKE) --no-print-directory programs
	@BUILD=$(BUILD) sh tests/demo/demo.sh

# --- installation -------------------------------------------------------------------------------
# mount(8) looks for its helpers in /sbin, whatever the prefix.
BINDIR  ?= $(PREFIX)/bin
SBINDIR ?= /sbin
MANDIR  ?= $(PREFIX)/share/man
COMPDIR ?= $(PREFIX)/share/bash-completion/completions
DOCDIR  ?= $(PREFIX)/share/doc/s3apfs

install: programs
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(SBINDIR) $(MANDIR)/man1 $(MANDIR)/man8 $(COMPDIR) \
	    $(DOCDIR)/docs $(DOCDIR)/examples)
	install -m 0755 $(PROGRAMS) $(DESTDIR)$(BINDIR)
	ln -sf $(BINDIR)/s3apfs $(DESTDIR)$(SBINDIR)/mount.s3apfs
	ln -sf $(BINDIR)/s3apfs $(DESTDIR)$(SBINDIR)/umount.fuse.s3apfs
	install -m 0644 docs/man/*.1 $(DESTDIR)$(MANDIR)/man1
	install -m 0644 docs/man/*.8 $(DESTDIR)$(MANDIR)/man8
	install -m 0644 packaging/s3apfs.bash-completion $(DESTDIR)$(COMPDIR)/s3apfs
	install -m 0644 README.md CHANGELOG.md CONTRIBUTING.md LICENSE $(DESTDIR)$(DOCDIR)
	install -m 0644 docs/*.md $(DESTDIR)$(DOCDIR)/docs
	install -m 0644 tests/worlds/seed_000_001.json $(DESTDIR)$(DOCDIR)/examples/world.json

# Folders that others use too stay.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(SBINDIR)/,mount.s3apfs umount.fuse.s3apfs) $(DESTDIR)$(COMPDIR)/s3apfs
	rm -f $(patsubst $(BUILD)/bin/%,$(DESTDIR)$(BINDIR)/%,$(PROGRAMS))
	rm -f $(patsubst docs/man/%,$(DESTDIR)$(MANDIR)/man1/%,$(wildcard docs/man/*.1))
	rm -f $(patsubst docs/man/%,$(DESTDIR)$(MANDIR)/man8/%,$(wildcard docs/man/*.8))
	rm -f $(addprefix $(DESTDIR)$(DOCDIR)/,README.md CHANGELOG.md CONTRIBUTING.md LICENSE docs/*.md examples/world.json)
	rmdir $(DESTDIR)$(DOCDIR)/docs $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(DOCDIR) 2>/dev/null || true

deb rpm:
	@sh packaging/deps.sh $@
	@$(MAKE) --no-print-directory programs
	@sh packaging/$@/build.sh

# --- fuzzing ------------------------------------------------------------------------------------
# tests/fuzz/NAME.c or fuzz_NAME.c is a libFuzzer program over the pure layers, seeded
# from tests/fuzz/corpus/NAME; finds and crashes go to build/fuzz/{corpus,artifacts}.
FUZZ_SECONDS ?= 20
FLAGS_fuzz   := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=all
FUZZ_NAMES   := $(patsubst fuzz_%,%,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))
FUZZ_BINS    := $(patsubst %,build/fuzz/bin/%,$(FUZZ_NAMES))
FUZZ_ARGS    := -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -verbosity=0 \
                -print_final_stats=1

define FUZZ_BIN
build/fuzz/bin/$(patsubst fuzz_%,%,$(1)): build/fuzz/testobj/fuzz/$(1).o $(patsubst %,build/fuzz/lib/%.a,emulator cred policy aws base)
	@mkdir -p $$(@D)
	$$(LINK) -fsanitize=fuzzer $$^ $$(call pkg_libs,libcrypto libxml-2.0 libcjson) -o $$@
endef
$(foreach h,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)),$(eval $(call FUZZ_BIN,$(h))))

.PHONY: fuzz-build $(addprefix fuzz-,$(FUZZ_NAMES))
fuzz-build: $(FUZZ_BINS)

fuzz:
	@sh packaging/deps.sh check
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-build
	@$(MAKE) --no-print-directory $(addprefix fuzz-,$(FUZZ_NAMES))

# One harness alone: make fuzz-build VARIANT=fuzz CC=clang && make fuzz-NAME
$(addprefix fuzz-,$(FUZZ_NAMES)): fuzz-%:
	@mkdir -p build/fuzz/corpus/$* build/fuzz/artifacts
	@echo "fuzz $*: $(FUZZ_SECONDS) s"
	@build/fuzz/bin/$* $(FUZZ_ARGS) -artifact_prefix=build/fuzz/artifacts/$*- build/fuzz/corpus/$* \
	    $(wildcard tests/fuzz/corpus/$*) >build/fuzz/artifacts/$*.log 2>&1 || \
	    { tail -n 60 build/fuzz/artifacts/$*.log; exit 1; }
	@grep number_of_executed_units build/fuzz/artifacts/$*.log

# --- benchmark: see bench/README.md ---------------------------------------------------------------
BENCH_TOOLS := build/bench/relay build/bench/load
build/bench/relay: bench/relay.c bench/lane.c bench/request.c bench/lane.h bench/request.h
build/bench/load: bench/load.c
$(BENCH_TOOLS): Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=gnu11 -pthread $(FLAGS_release) $(WARN) $(filter %.c,$^) -o $@

.PHONY: bench-tools
bench-tools: $(BENCH_TOOLS)

bench: deps-build
	@$(MAKE) --no-print-directory programs bench-tools
	@python3 bench/run.py
