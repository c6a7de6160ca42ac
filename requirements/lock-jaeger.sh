#!/usr/bin/env bash
# Writes services/tocsin/sandbox/data/jaeger/go.mod and go.sum, which name and hash all that Jaeger is built of. Needs Go; run it when
# VERSION of services/tocsin/sandbox/jaeger.py changes.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^VERSION: Final = "\(.*\)"/\1/p' services/tocsin/sandbox/jaeger.py)
lock=$PWD/services/tocsin/sandbox/data/jaeger
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init tocsin.invalid/jaeger
go get -tool "github.com/jaegertracing/jaeger/cmd/jaeger@v$version"
go mod edit -go="$(go list -m -f "{{.GoVersion}}" github.com/jaegertracing/jaeger)"
mkdir -p "$lock"
cp go.mod go.sum "$lock"
