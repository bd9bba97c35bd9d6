# The words people type. Meson does the building; everything here is a thin name for it.
BUILD ?= build
# A warning of a compiler that we never met stops our gates (.ci/run), not a user's build.
WERROR ?= false
MESON_OPTS ?= --buildtype=release -Ddebug=true -Dwerror=$(WERROR)
# Quick start: an empty HUB starts the stand-in mirror on loopback.
HUB ?=

# What test-avx512 runs.
AVX512_TESTS ?= $(addprefix tests/unit/tensor/,test_gemm test_panels test_panels_blocks test_nf4 test_gemm_emulated_avx512 test_panels_emulated_avx512)

all: $(BUILD)/build.ninja       ## build/kaito and build/kaito-runtime
	@ninja -C $(BUILD) src/cli/kaito src/cli/kaito-runtime tests/peers/fake-arm/kaito-fake-arm
	@ln -sf src/cli/kaito src/cli/kaito-runtime tests/peers/fake-arm/kaito-fake-arm $(BUILD)/
	@tools/binary-sizes $(BUILD)

everything: all         # tests too
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) $(MESON_OPTS)

deps:                   ## install the Debian packages that building and testing need
	@tools/install-deps

test: everything               ## unit, golden, fuzz replay and end-to-end tests; ends with "N passed, N failed"
	@python3 tests/run --build $(BUILD) --jobs 2

test-peers: everything         ## tests that need PyPI packages (peft, openai) in a small venv
	@python3 tests/run --build $(BUILD) --only peers

test-scenes: everything        ## every scene of tests/scenes on `kaito up`: some minutes; test-real plays them on a real kube-apiserver
	@python3 tests/run --build $(BUILD) --only scenes
.PHONY: test-scenes

# Its binaries are made once (some 10 minutes; Go 1.24 or newer) and kept outside the tree.
KUBE_APISERVER := ../shared/tools/kube-apiserver

test-real: everything          ## the controllers against the real kube-apiserver
	@[ ! -x $(KUBE_APISERVER)/build ] || PATH="$$PATH:/usr/local/go/bin" $(KUBE_APISERVER)/build
	@tools/install-helm
	@python3 tests/run --build $(BUILD) --only real

SEEDS ?= $(shell seq -s ' ' 1 50)
CLAIMS ?= 2000
# A seed waits for half of its time on a slow machine; more at once would starve it, and its times would be the machine's.
JOBS ?= $(shell nproc)

# usual, or slow: tests/chaos/world.py
CLOUD ?= usual

chaos: everything       ## SEEDS="7 8 9" CLAIMS=2000 JOBS=2 CLOUD=slow: claims come and go while cloud, API and provisioners fail; counts orphans and doubles
	@tests/chaos/run --build $(BUILD) --seeds "$(SEEDS)" --claims $(CLAIMS) --cloud $(CLOUD) --jobs $(JOBS)

chaos-short: everything ## the same with three seeds and few claims
	@tests/chaos/run --build $(BUILD) --seeds "1 2 3" --claims 40

FAULT_TESTS := $(addprefix test_fault_,vllm tuning inference upstreams_tuning karpenter karpenter_api api events others orphans crowd kill clock webhook)

test-fault: everything         ## the Workspace controller killed and disturbed at every step (make test walks some of them)
	@KAITO_FAULT=all MESON_TESTTHREADS=3 python3 tests/run --build $(BUILD) --only meson --patience 2 --tests "$(FAULT_TESTS)"

asan:                   ## unit, golden and fuzz replay tests under ASan and UBSan
	@[ -d build-asan ] || meson setup build-asan -Db_sanitize=address,undefined
	@ninja -C build-asan
	@OMP_NUM_THREADS=2 python3 tests/run --build build-asan --only meson --patience 5

test-avx512: $(BUILD)/build.ninja      ## the kernels on an emulated CPU with AVX-512: minutes
	@tools/install-deps packages.avx512
	@ninja -C $(BUILD) $(AVX512_TESTS)
	@tools/emulate-avx512 $(AVX512_TESTS:%=$(BUILD)/%)

# What has threads of its own; gcc's TSan does not know OpenMP's barriers, so that has one.
TSAN_TESTS := tensor/test_pool http/test_http kube/test_kube_workq workspace/test_model_book workspace/test_mirror webhook/test_webhook serve/test_scheduler serve/test_load serve/test_serve
TSAN_FAULTS := test_fault_tuning test_fault_api test_fault_events test_fault_karpenter test_fault_webhook

tsan:                   ## the tests of what has threads under TSan
	@[ -d build-tsan ] || meson setup build-tsan --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
	@ninja -C build-tsan $(TSAN_TESTS:%=tests/unit/%) $(addprefix tests/fault/,test_fault_steps test_fault_api test_fault_webhook)
	@OMP_NUM_THREADS=1 TSAN_OPTIONS=suppressions=$(CURDIR)/tests/tsan.supp python3 tests/run --build build-tsan --only meson --patience 5 --tests "$(notdir $(TSAN_TESTS)) $(TSAN_FAULTS)"

fuzz-smoke:             ## each fuzzer for FUZZ_SECONDS (default 10), those of what strangers send for FUZZ_LONG_SECONDS (60)
	@tests/fuzz/smoke $${FUZZ_SECONDS:-10} $${FUZZ_LONG_SECONDS:-60}

lint:                   ## layers, generated files, shell and Python syntax, named tests
	@tools/check-includes
	@tools/lint
	@tools/check-checklist

crds: all               ## write deploy/crds from the tables
	@tools/write-crds $(BUILD)

bench: all              ## the published figures of this machine
	@for b in sizes ready decode story; do bench/$$b.sh; done

# ARGS: --shape phi-3-mini --peers llama.cpp,transformers,vllm ...
bench-engine:           ## the engine beside llama.cpp and transformers on the same weights, as a table
	@BUILD="$(BUILD)" bench/engine.sh $(ARGS)

bench-manager: all      ## the Workspace manager on a real kube-apiserver, as a table
	@BUILD="$(BUILD)" bench/manager.sh $(ARGS)

bench-provisioner: everything  ## the provisioner: calls to ARM, 500 claims at once, memory
	@BUILD="$(abspath $(BUILD))" bench/provisioner.sh $(ARGS)

# ARGS: --parts full --minutes 20 ...
bench-tune:             ## tuning beside transformers + PEFT + bitsandbytes, as a table
	@BUILD="$(BUILD)" bench/tune.sh $(ARGS)

quickstart:             ## the whole story on this machine
	@HUB="$(HUB)" tools/quickstart/up

quickstart-down:        ## undo everything that quickstart started
	@tools/quickstart/down

image: all              ## OCI images of both programs, build/*-image.tar: for registries and nodes; no Docker
	@for name in kaito kaito-runtime; do tools/build-image --build $(BUILD) $$name; done

install: all
	@ninja -C $(BUILD) install

clean:
	@rm -rf build build-*

help:
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 20

.PHONY: all everything deps test chaos chaos-short test-peers test-real test-fault asan tsan test-avx512 fuzz-smoke lint crds bench bench-engine bench-manager bench-provisioner bench-tune quickstart quickstart-down image install clean help
