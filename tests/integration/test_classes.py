"""The classes that tests keep for the Java parts are ones that the runtime takes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from tocsin.sandbox.java import java
from tocsin.sandbox.kafka import FLAGS, class_cache

from tests.support.stack import cached_jars
from tests.support.waiting import eventually


def test_a_broker_starts_where_only_kept_classes_are_allowed(tmp_path: Path) -> None:
    jars = cached_jars("kafka")
    eventually(class_cache(jars).exists, within_s=240, what="the classes, where another test makes them at this moment")
    launch = java("Kafka", jars, tmp_path, FLAGS, ("kafka.Kafka", "--version"))
    strict = replace(launch, argv=(launch.argv[0], "-XX:AOTMode=on", *launch.argv[1:]))
    done = subprocess.run(strict.argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4." in done.stdout
