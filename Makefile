# `make test` is what CI runs. Every target works on a fresh clone with Go alone; the rest is said where it is needed.

SHELL := bash
GO ?= go
FUZZTIME ?= 10s

# CI=true turns a test that is skipped for want of a tool into a failure.
strict := $(if $(filter true 1,$(CI)),-strict)

# What the race detector and the interoperability tests call, as command:package of Debian.
test_tools := curl:curl openssl:openssl strace:strace gcc:build-essential unzip:unzip zbarimg:zbar-tools htpasswd:apache2-utils chromium:chromium lftp:lftp tnftp:tnftp python3:python3

# For what is compiled to be checked and never run: without inlining and debug information it takes half the time.
quick := -gcflags='all=-l -dwarf=false'

platforms := linux/amd64 linux/arm64 linux/arm darwin/arm64 windows/amd64 freebsd/amd64

.PHONY: build test check lint fuzz bench-start bench-web bench-ftp cross vet format staticcheck test-tools clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags '-s -w' -o gtwistd ./cmd/gtwistd

test: test-tools cross vet
	set -o pipefail; GORACE=atexit_sleep_ms=0 $(GO) test -race -timeout 8m -json ./... | $(GO) run ./tools/testreport $(strict)

check: format vet staticcheck test

lint:
	$(GO) tool -modfile=tools/golangci-lint.mod golangci-lint run

# Each fuzz target for a short while; what it finds is kept in the package's testdata/fuzz and is a test from then on.
fuzz:
	set -o pipefail; $(GO) test -list '^Fuzz' ./... \
	| awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print names[i], $$2; n = 0 }' \
	| while read -r name package; do \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" || exit 1; \
	done

# Side by side with twistd and with a minimal Go program; bench/RESULTS.md explains the table.
bench-start: build
	$(GO) run ./bench/start -gtwistd ./gtwistd

# The web service beside nginx, Caddy and twistd, as far as they are installed; it takes some minutes.
bench-web: build
	$(GO) run ./bench/web -gtwistd ./gtwistd

# The FTP service beside vsftpd, Pure-FTPd, ProFTPD, pyftpdlib and twistd; it takes some minutes. As root on Debian, the
# packages of the first four are fetched and unpacked for the run, not installed: they exclude each other.
bench-ftp: build
	$(GO) run ./bench/ftp -gtwistd ./gtwistd

cross:
	@set -e; for platform in $(platforms); do \
		echo "build $$platform"; \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0 $(GO) build $(quick) ./...; \
	done

vet:
	CGO_ENABLED=0 $(GO) vet $(quick) ./...

format:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted with gofmt:" $$unformatted; exit 1; fi

staticcheck:
	$(GO) tool -modfile=tools/staticcheck.mod staticcheck ./...

# As root on Debian what is missing is installed. Elsewhere the tests that need it skip and name it.
test-tools:
	@missing=; for tool in $(test_tools); do \
		command -v "$${tool%:*}" >/dev/null || missing="$$missing $${tool#*:}"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing \
		|| echo "could not install:$$missing"; \
	else \
		echo "some tests will skip for want of:$$missing"; \
	fi

clean:
	rm -f gtwistd
	rm -rf dist
