#!/usr/bin/env bash
# Writes tests/deploy/cluster/kubernetes/go.mod and go.sum, which name and hash all that the API server is built of. Needs Go and jq; run
# it when KUBERNETES of tests/deploy/cluster/parts.py changes. Kubernetes' own go.mod takes its k8s.io modules from the folders beside it;
# they are published as well, as v0.MINOR.PATCH.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^KUBERNETES: Final = "\(.*\)"/\1/p' tests/deploy/cluster/parts.py)
lock=$PWD/tests/deploy/cluster/kubernetes
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init tocsin.invalid/kubernetes
theirs=$(go mod download -json "k8s.io/kubernetes@v$version" | jq -r .GoMod)
go mod edit -go="$(go mod edit -json "$theirs" | jq -r .Go)"
for module in $(go mod edit -json "$theirs" | jq -r '.Require[] | select(.Version == "v0.0.0") | .Path'); do
    go mod edit -replace="$module=$module@v0.${version#1.}"
done
go get -tool "k8s.io/kubernetes/cmd/kube-apiserver@v$version"
mkdir -p "$lock"
cp go.mod go.sum "$lock"
