#!/usr/bin/env bash
# Writes the go.mod and go.sum that name and hash all that Jaeger and Helm are built of. Needs Go; run it when the version changes that stands
# in services/tocsin/sandbox/jaeger.py or tests/deploy/chart/helm.py.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
lock() { # folder of the lock, module, package of the program, version
    local work
    work=$(mktemp -d)
    cd "$work"
    go mod init "tocsin.invalid/$(basename "$3")"
    go get -tool "$3@v$4"
    go mod edit -go="$(go list -m -f "{{.GoVersion}}" "$2")"
    mkdir -p "$root/$1"
    cp go.mod go.sum "$root/$1"
    cd "$root"
    rm -rf "$work"
}
version() { sed -n 's/^VERSION: Final = "\(.*\)"/\1/p' "$1"; }
lock services/tocsin/sandbox/data/jaeger github.com/jaegertracing/jaeger github.com/jaegertracing/jaeger/cmd/jaeger "$(version services/tocsin/sandbox/jaeger.py)"
lock tests/deploy/chart/lock helm.sh/helm/v4 helm.sh/helm/v4/cmd/helm "$(version tests/deploy/chart/helm.py)"
