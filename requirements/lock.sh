#!/usr/bin/env bash
# Writes the pinned, hashed requirement files from pyproject.toml. Needs uv; run it when a dependency changes.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header "$@"
}
lock pyproject.toml --output-file requirements/product.txt
lock pyproject.toml --extra model --constraint requirements/product.txt --output-file requirements/model.txt
lock pyproject.toml requirements/build.in --extra sandbox --output-file requirements/demo.txt
lock requirements/supply.in --output-file requirements/supply.txt
lock pyproject.toml requirements/build.in requirements/supply.in --extra dev --output-file requirements/dev.txt
lock requirements/build.in --constraint requirements/dev.txt --output-file requirements/build.txt
