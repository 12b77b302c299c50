# Benchtop. `make` builds dist/benchtop, `sudo make run` builds and runs it,
# `make test` sets up and runs every test.

GO      ?= go
TAGS    := netgo osusergo providerless urfave_cli_no_docs no_cri_dockerd static_build no_antithesis_sdk
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Packages that link neither K3s nor MinIO: quick to build, tested with -race.
LIGHT := ./appliance/supervise/... ./appliance/mlops/... ./appliance/gatesfile/... ./appliance/access/... ./appliance/loop/... ./appliance/doctor/... ./appliance/heap ./appliance/imports/... ./appliance/nameservers/... ./appliance/podlogs/... ./appliance/push/... ./cmd/benchtop-push ./cmd/internal/... \
	./assets/... ./embedded/cluster/... ./embedded/controllers ./embedded/controllers/loadbalancer/... ./embedded/controllers/gpu/... ./embedded/controllers/localpath/... ./embedded/controllers/networkpolicy/... ./embedded/gpu/... ./embedded/images/... ./embedded/lan/... ./embedded/packages/... ./embedded/registry/... ./lab/... ./ui/... ./scripts/...
# Packages that link one of them, or Kubernetes' API server as resourcemetrics does.
HEAVY := ./appliance ./embedded/controllers/resourcemetrics/... ./embedded/k3s/... ./embedded/minio/... ./cmd/benchtop

export CGO_ENABLED := 0
unexport BENCHTOP_DATA_DIR

.PHONY: all
all: dist/benchtop

# --- build -----------------------------------------------------------------

# Everything that a machine with git, make, Go and a package manager lacks.
.PHONY: deps
deps:
	scripts/build-deps.sh

# The images and programs that travel inside the binary, cached by the hash of
# their recipes.
.PHONY: bundle
bundle: deps
	$(GO) run ./scripts/bundle build

# The browser's bundle, from the npm lock file.
WEB := assets/web/dist/manifest.json
$(WEB): assets/web/package.json assets/web/package-lock.json assets/web/build.mjs $(shell find assets/web/src -type f 2>/dev/null) | deps
	cd assets/web && npm ci --no-audit --no-fund --ignore-scripts && npm run --silent build

# Code that is generated and committed.
.PHONY: generate
generate:
	$(GO) generate ./ui/view
	cd assets/images/gpu && $(GO) run ./sim/stubs
	$(GO) run ./scripts/bundle components

.PHONY: dist/benchtop
dist/benchtop: bundle $(WEB)
	@mkdir -p dist
	@echo "compiling benchtop: Kubernetes and MinIO take 10 to 20 minutes the first time, later builds a minute"
	@date +%s > dist/.started
	modfile=$$($(GO) run ./scripts/patch) && \
	$(GO) build -modfile "$$modfile" -tags "$(TAGS)" -ldflags "$(LDFLAGS)" -o dist/benchtop.core ./cmd/benchtop
	$(GO) run ./scripts/bundle append -o dist/benchtop dist/benchtop.core
	@echo "built dist/benchtop in $$(( $$(date +%s) - $$(cat dist/.started) )) s"
	@rm -f dist/benchtop.core dist/.started

.PHONY: run
run: dist/benchtop
	dist/benchtop up

# What laptops need to push to a lab: no root, no C, and small.
.PHONY: client
client:
	for os in linux darwin windows; do for arch in amd64 arm64; do \
		suffix=$$([ $$os = windows ] && echo .exe || true); \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -trimpath -ldflags "$(LDFLAGS)" -o dist/benchtop-push-$$os-$$arch$$suffix ./cmd/benchtop-push || exit 1; \
	done; done

.PHONY: size
size: dist/benchtop
	$(GO) run ./scripts/bundle size -compress dist/benchtop

# --- test ------------------------------------------------------------------

# Links, imports and downloads leave a core idle, so two targets run beside each other:
# all that needs no binary, and its build. The longest begins first.
.PHONY: test
test: deps test-deps
	$(MAKE) -j2 --output-sync=target lab lint unit race clients dist/benchtop
	$(MAKE) stories

# Debian packages that the tests need besides the build's.
.PHONY: test-deps
test-deps:
	scripts/test-deps.sh
	scripts/clients/build.sh >/dev/null

.PHONY: lint
lint: $(WEB)
	@test -z "$$(gofmt -l appliance assets cmd embedded lab scripts ui)" || { gofmt -l appliance assets cmd embedded lab scripts ui; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet $(LIGHT)
	$(GO) vet -tags e2e ./cmd/benchtop/e2e
	$(GO) vet -tags clients ./embedded/packages/clienttest
	cd assets/images/gpu && CGO_ENABLED=1 $(GO) vet ./...
	$(GO) tool -modfile=scripts/tools/go.mod staticcheck $(LIGHT)
	$(GO) tool -modfile=scripts/tools/go.mod staticcheck -tags e2e ./cmd/benchtop/e2e

# Neither lint nor race covers what links Kubernetes: vet and staticcheck want
# facts of every dependency, and the race detector a second build of all of them:
# the first build alone takes two cores 20 minutes.
.PHONY: unit
unit: $(WEB)
	modfile=$$($(GO) run ./scripts/patch) && \
	$(GO) test -vet=off -modfile "$$modfile" -tags "$(TAGS)" $(HEAVY)

.PHONY: race
race: $(WEB) bundle
	CGO_ENABLED=1 $(GO) test -race $(LIGHT)
	modfile=$$($(GO) run ./scripts/patch) && CGO_ENABLED=1 $(GO) test -race -modfile "$$modfile" ./embedded/prometheus/...
	cd assets/images/gpu && CGO_ENABLED=1 $(GO) test -race ./...

# The trainer and the server against a real MLflow server and a real S3.
.PHONY: lab
lab: test-deps
	lab/test.sh

# Real MLflow clients against the registry, pip and uv against the index of packages.
.PHONY: clients
clients: test-deps
	embedded/registry/clienttest/run
	BENCHTOP_INSTALLERS="$$(embedded/registry/clienttest/run venv installers)" $(GO) test -count=1 -tags clients ./embedded/packages/clienttest

# The stories, of a binary that is built now.
.PHONY: e2e
e2e: dist/benchtop
	$(MAKE) stories

# The binary that is there on private hosts, with real pods and a real browser.
.PHONY: stories
stories: test-deps
	$(GO) test -tags e2e -count=1 -timeout 80m -v ./cmd/benchtop/e2e

.PHONY: bench
bench: dist/benchtop
	$(GO) run ./scripts/bench

.PHONY: bench-projects
bench-projects: dist/benchtop
	$(GO) run ./scripts/bench -projects 50

# The registry against the real MLflow server, on the same machine in one run.
.PHONY: bench-registry
bench-registry: test-deps
	$(GO) run ./embedded/registry/bench -python "$$(embedded/registry/clienttest/run venv mlflow3)/bin/python"

.PHONY: clean
clean:
	rm -rf dist test-artifacts assets/web/dist/* assets/web/node_modules
