# dwell's two main commands are `make demo` and `make test`; both set up what they need. `make help` lists the rest.
SHELL := /bin/bash
GO ?= go
# Builds are static, stripped and reproducible: no cgo, no debug tables, no paths. dwell --version shows what they were
# built from.
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags "-s -w"
STATICCHECK = $(GO) run -modfile=tools/go.mod honnef.co/go/tools/cmd/staticcheck
DEADCODE = $(GO) run -modfile=tools/go.mod golang.org/x/tools/cmd/deadcode
# Packages with concurrent tests that are cheap enough for the race detector.
RACE = ./internal/pairs ./internal/pipeline/... ./internal/es/... ./query/zeek/... ./query/once ./internal/schedule ./internal/atomicfile ./internal/evidence/firstseen ./internal/evidence/intel ./internal/store/spool
# The number of connections that make bench loads and reads.
BENCH_CONNECTIONS ?= 300000
NODE = $(GO) run ./integration/testnode/cmd/testnode

.PHONY: help build demo test lint race bench chaos quality fuzz pictures generate clean jdk dist install-test

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the program, in bin/dwell
	$(BUILD) -o bin/dwell ./cmd/dwell

demo: build ## simulate a day, hunt it in a real Elasticsearch (or, without one, in the files) and show the findings; KEEP=1: and stay up
	@integration/demo.sh

test: jdk ## everything that must pass: formatting, vet, staticcheck, all tests, the race detector
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	@$(GO) mod tidy -diff >/dev/null || { echo "go.mod is not tidy: run go mod tidy"; exit 1; }
	$(GO) vet ./...
	@for os in windows darwin; do GOOS=$$os CGO_ENABLED=0 $(GO) vet ./cmd/... ./internal/... ./query/... || exit 1; done
	$(STATICCHECK) ./...
	@dead=$$($(DEADCODE) ./cmd/dwell && $(DEADCODE) -test ./...) && test -z "$$dead" || { echo "never called (what only tests use belongs into their files):"; echo "$$dead"; exit 1; }
	@test -d ../shared/captures || echo "NOTE: ../shared/captures is not here: the tests on real captures are skipped, and say so."
	$(NODE) -line 8,9 -optional -- $(GO) test -timeout 30m ./...
	$(GO) test -race -short -timeout 20m $(RACE)
	@tools/fuzz.sh 5000x

jdk:
	@tools/need-jdk.sh

race: jdk ## every package under the race detector: an hour or so
	$(NODE) -line 8 -optional -- $(GO) test -race -timeout 60m ./...

lint: ## the full lint
	$(GO) vet ./...
	$(STATICCHECK) -checks all,-ST1000 ./...

bench: jdk ## reading, as ratios in one run (BENCH_CONNECTIONS=3000000 for the large one); micro: go test -bench
	$(GO) run ./integration/bench -connections $(BENCH_CONNECTIONS)

quality: ## what the score finds and misses, RITA's figures beside it (docs/detection.md)
	$(GO) run ./integration/quality

fuzz: ## every fuzz target for ten seconds
	@tools/fuzz.sh 10s

chaos: jdk ## 200 hunts through a proxy that spoils requests, every fault on every request, 64 trials with kills: an hour
	DWELL_CHAOS=200 $(NODE) -line 8 -- $(GO) test ./integration -count=1 -timeout 60m -run 'TestChaos' -v
	DWELL_CHAOS=all $(NODE) -line 8 -- $(GO) test ./integration -count=1 -timeout 120m -run 'TestOneFault' -v
	DWELL_KILLS=32 $(NODE) -line 8 -- $(GO) test ./integration -count=1 -timeout 120m -run 'TestKilled' -v

pictures: build ## the pictures of docs/pictures again (needs chromium)
	@integration/pictures/make.sh

dist: ## packages, archives, notices, bill of materials and checksums in dist/; the same commit gives the same bytes
	@GO="$(GO)" tools/dist.sh

install-test: jdk ## follow docs/install.md on a clean machine that is booted here (root, some minutes; systemd-nspawn, debootstrap, Salt)
	@GO="$(GO)" integration/install/run.sh

clean: ## remove what was built
	rm -rf bin dist

generate: ## the pages that are made from code
	$(GO) test ./internal/config ./cmd/dwell -run UpToDate -update
	$(GO) test ./internal/evidence -run UpToDate -update
	$(GO) test ./so-config ./so-config/kibana ./so-config/playbook -update
	$(GO) test ./internal/output ./docs -run UpToDate -update
