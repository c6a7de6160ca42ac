"""What security.md says is so, where no other test holds it."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import kombu
import pytest
from kombu.exceptions import ContentDisallowed
from tocsin.bootstrap.work import tasks
from tocsin.environment import variables
from tocsin.settings import Settings
from tocsin.work.app import client

from deploy.supply.archives import pins

ROOT: Final = Path(__file__).resolve().parents[3]
TEXT: Final = (ROOT / "deploy/security.md").read_text("utf-8")
KNOWN: Final = variables(Settings)


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Each module of the product but the embedded stack's, by its path below services/tocsin."""
    folder = ROOT / "services/tocsin"
    files = (file for file in sorted(folder.rglob("*.py")) if "sandbox" not in file.parts)
    return tuple((str(file.relative_to(folder)), ast.parse(file.read_text("utf-8"))) for file in files)


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in names:
            yield node


def imports(tree: ast.AST) -> set[str]:
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return {
        name for node in found for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }


def test_every_secret_is_in_the_table_with_who_reads_it() -> None:
    secret = {name for name, each in KNOWN.items() if each.secret and not each.of_file}
    keys = {name for name in KNOWN if name.endswith("TLS_KEY_FILE")}
    named = set(re.findall(r"TOCSIN_[A-Z]+__[A-Z_]+", section("Secrets")))
    assert len(secret | keys) > 8
    assert (secret | keys) - named == set()


def test_every_address_that_tocsin_is_told_is_in_the_table_of_egress() -> None:
    addresses = {
        name
        for name in KNOWN
        if name.endswith(("_URL", "_SERVERS", "__ENDPOINT", "_ALLOWED", "METRICS__PROCESSES")) and "PROXY" not in name
    }
    assert len(addresses) > 6
    assert [name for name in sorted(addresses) if f"`{name}`" not in section("Which egress each process needs")] == []


def test_the_pages_and_the_health_pages_are_all_that_listens() -> None:
    ways = ("create_server", "serve_forever", "start_http_server", "start_server", "listening_socket")
    listening = {path for path, tree in modules() for _ in calls(tree, *ways)}
    assert listening == {"serve/server.py", "telemetry/health_server.py"}
    bound = {path for path, tree in modules() for call in calls(tree, "bind") if call.args and isinstance(call.args[0], ast.Tuple)}
    assert bound == {"network.py"}  # to learn which ports are free


def test_no_consumer_of_the_bus_commits_by_itself_or_creates_a_topic() -> None:
    made = [call for path, tree in modules() for call in calls(tree, "KafkaConsumer")]
    assert len(made) > 2
    for call in made:
        said = {each.arg: ast.unparse(each.value) for each in call.keywords}
        assert (said["enable_auto_commit"], said["allow_auto_create_topics"]) == ("False", "False"), ast.unparse(call)


def test_tritons_http_client_is_nowhere_used() -> None:
    assert [path for path, tree in modules() if any(name.startswith("tritonclient.http") for name in imports(tree))] == []


def test_pillow_never_guesses_a_format() -> None:
    assert [path for path, tree in modules() for call in calls(tree, "open") if ast.unparse(call.func) == "Image.open"] == []


def test_yaml_is_read_by_the_safe_loader_alone() -> None:
    loaders = {ast.unparse(call.args[1]) for _, tree in modules() for call in calls(tree, "load") if ast.unparse(call.func) == "yaml.load"}
    assert {loader.rpartition(".")[2] for loader in loaders} <= {"CSafeLoader", "SafeLoader"}


def test_nothing_is_unpickled_or_run_from_text() -> None:
    assert [path for path, tree in modules() if imports(tree) & {"pickle", "marshal", "shelve", "dill"}] == []
    built_in = [path for path, tree in modules() for call in calls(tree, "eval", "exec") if isinstance(call.func, ast.Name)]
    assert built_in == []


def test_no_retry_library_is_installed() -> None:
    assert {pin.name for pin in pins(ROOT / "requirements/product.txt")} & {"stamina", "tenacity", "backoff", "retrying"} == set()


def test_nobody_commands_a_worker_over_redis() -> None:
    configured = client(Settings(), tasks(Settings())).conf
    assert (configured.worker_enable_remote_control, configured.worker_send_task_events) == (False, False)
    assert configured.task_send_sent_event is False


class Planted:
    """What writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.file,))


def test_a_message_that_is_pickled_is_refused_unread_and_runs_nothing(tmp_path: Path) -> None:
    file, library = tmp_path / "ran", cast(Any, kombu)
    with library.Connection("memory://") as connection:
        consumer = client(Settings(), tasks(Settings())).amqp.TaskConsumer(connection.default_channel)
        message = library.Message(
            body=pickle.dumps(Planted(file)),
            content_type="application/x-python-serialize",
            content_encoding="binary",
            accept=consumer.accept,
            channel=connection.default_channel,
        )
        with pytest.raises(ContentDisallowed):
            message.decode()
    assert not file.exists()
