#!/usr/bin/env bash
# Writes services/tocsin/sandbox/jars.lock from requirements/jars/*.pom.xml. Needs Maven and a JDK; run it when a POM changes.
# One line a jar: part, group:artifact:version[:classifier], size in bytes, SHA-256.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lock=services/tocsin/sandbox/jars.lock
for part in kafka fhir; do
    mvn --quiet --batch-mode --file "requirements/jars/$part.pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -Dmdep.useRepositoryLayout=true -DoutputDirectory="$work/$part" >&2
    find "$work/$part" -name '*.jar' -printf '%P\n' | LC_ALL=C sort | while IFS=/ read -ra path; do
        file="$work/$part/$(IFS=/; echo "${path[*]}")"
        name=$(basename "$file" .jar) artifact=${path[-3]} version=${path[-2]}
        group=$(IFS=.; echo "${path[*]:0:${#path[@]}-3}")
        classifier=${name#"$artifact-$version"}
        echo "$part $group:$artifact:$version${classifier/#-/:} $(stat -c %s "$file") $(sha256sum "$file" | cut -d' ' -f1)"
    done
done >"$work/lock"
mv "$work/lock" "$lock"
