"""Every way to install in helm/tocsin/ci is one that Kubernetes takes, and that says what it means to the processes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tocsin import environment
from tocsin.bootstrap import cds
from tocsin.cli.commands import command
from tocsin.serve.smart.preflight import own_keys
from tocsin.settings import Settings

from tests.deploy.chart.helm import CHART, CI, helm, rendered, template
from tests.deploy.chart.looks import Pod, called, environment_of, mounted, of_kind, pods, tocsins
from tests.deploy.chart.schemas import KUBERNETES, fits
from tests.support.cds_caller import ec_key, jwk, jwks

WAYS: Final = pytest.mark.parametrize("way", CI)
SECRETS: Final = {
    "redis/url": "rediss://tocsin:x@redis.example.org:6380/0",
    "image/proxy_url": "http://tocsin:x@proxy.example.org:3128",
    "traces/query_header": "Authorization: Basic eDp4",
    "notify/webhook_secret": "sixteen-characters-or-more",
}
"""What stands in the files whose form is checked; elsewhere it is an x."""


@WAYS
def test_helm_finds_nothing_to_complain_of(way: str) -> None:
    said = helm("lint", "--strict", str(CHART), "--values", str(CI[way]))
    assert said.code == 0, said.output + said.complaint


@WAYS
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_fits_the_schemas_of_the_oldest_and_the_newest_kubernetes(way: str, version: str) -> None:
    assert [(called(each), wrong) for each in rendered(way) if (wrong := fits(each, version))] == []


@WAYS
def test_the_processes_read_the_settings_that_the_values_state(way: str, tmp_path: Path) -> None:
    read = {pod.owner: _read(pod, way, tmp_path) for pod in tocsins(rendered(way))}
    assert len(read) >= 4
    for owner, settings in read.items():
        own = {
            "group_instance_id": settings.kafka.group_instance_id,
            "state_folder": settings.work.state_folder,
            "report_folder": settings.watch.report_folder,
            "host": settings.serve.host,
        }
        assert own == {
            "host": "0.0.0.0" if "serve" in owner else "127.0.0.1",
            "group_instance_id": "imaging.consume-0" if "consume" in owner else None,
            "state_folder": Path("/var/lib/tocsin") if "beat" in owner else None,
            "report_folder": Path("/var/lib/tocsin/reports") if way == "everything" and ("work" in owner or "beat" in owner) else None,
        }
    assert {_shared(settings).model_dump_json() for settings in read.values()} == {_shared(next(iter(read.values()))).model_dump_json()}


def _read(pod: Pod, way: str, folder: Path) -> Settings:
    return environment.read(Settings, environment_of(pod, rendered(way), folder, SECRETS)).settings


def _shared(settings: Settings) -> Settings:
    kafka, work = settings.kafka.model_copy(update={"group_instance_id": None}), settings.work.model_copy(update={"state_folder": None})
    watch, serve = settings.watch.model_copy(update={"report_folder": None}), settings.serve.model_copy(update={"host": ""})
    return settings.model_copy(update={"kafka": kafka, "work": work, "serve": serve, "watch": watch})


def test_what_the_values_of_everything_state_is_what_a_process_has(tmp_path: Path) -> None:
    (pod,) = (each for each in tocsins(rendered("everything")) if each.component == "consume")
    settings = _read(pod, "everything", tmp_path)
    assert settings.kafka.unpacked_bytes_max == 67_108_864
    assert settings.kafka.commit_timeout_s == 7.5
    assert settings.fhir.base_url == "https://fhir.example.org/r4/"
    assert settings.image.url_origins_allowed == ("https://pacs.example.org",)
    assert settings.report.edition == 7
    assert settings.redis.url.get_secret_value() == "redis://tocsin-redis:6379/0"
    assert settings.triton.grpc_url == "tocsin-triton:8001"
    assert settings.model.card == Path("/etc/tocsin/model/card.yaml")
    assert settings.model.site_file == tmp_path / "model/site_file"
    assert settings.watch.pictures == Path("/etc/tocsin/known")
    assert settings.kafka.tls_key_file == tmp_path / "kafka/tls_key_file"


def test_an_ehrs_files_that_serve_alone_has_stop_no_installation_and_are_looked_at_there(tmp_path: Path) -> None:
    """The Jobs and `helm test` check with the settings of all, and without those files."""
    held = {"serve/smart": _key(), "serve/clinic": jwks(jwk(ec_key(), "k1")).decode()}
    found: dict[str, list[bool | None]] = {}
    for pod in tocsins(rendered("everything")):
        if pod.component in ("check", "test", "serve"):
            environment_there = environment_of(pod, rendered("everything"), tmp_path / pod.component, SECRETS | held)
            settings, of_serve = environment.read(Settings, environment_there).settings, pod.component == "serve"
            looked = [*own_keys(settings.serve, of_serve=of_serve), *cds.preflight(settings.cds, of_serve=of_serve)]
            found[pod.component] = [each.passed for each in looked if each.what in ("own keys", "keys of https://clinic.example.org")]
    assert found == {"check": [None, True, None], "test": [None, True, None], "serve": [True, True]}


def _key() -> str:
    made = ec_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.decode()


def test_every_process_has_the_site_file_and_work_alone_what_watching_compares_with() -> None:
    files = {pod.owner: mounted(pod) for pod in tocsins(rendered("everything"))}
    assert all("model/site_file" in each for each in files.values())
    assert [owner for owner, each in files.items() if "watch/baseline" in each] == ["Deployment/skin-work"]
    known = {pod.owner: each for pod in tocsins(rendered("everything")) for each in pod.spec["volumes"] if each["name"] == "known"}
    claim = {"claimName": "known-pictures", "readOnly": True}
    assert known == {"Deployment/skin-work": {"name": "known", "persistentVolumeClaim": claim}}


def test_another_site_file_is_another_pod() -> None:
    """Its ConfigMap has a name for each version: what runs keeps its own until it is replaced, also where it starts anew by itself."""
    said = [template("--values", str(CI["everything"]), *each) for each in ((), ("--set", "files.model.site_file.configMap=site-3"))]
    before, after = ([pod for pod in tocsins(yaml.safe_load_all(each.output)) if pod.component == "consume"] for each in said)
    assert len(before) == len(after) == 1
    assert before[0].annotations["checksum/references"] != after[0].annotations["checksum/references"]


def test_the_network_of_version_2_is_built_where_it_is_asked_for() -> None:
    built = {way: next(each for each in pods(rendered(way)) if each.component == "triton").spec for way in ("keda-gpu", "everything")}
    assert built["keda-gpu"]["initContainers"][0]["args"][-2:] == ["--features", "/models"]
    assert "initContainers" not in built["everything"]


def test_the_secrets_of_a_site_come_from_its_files(tmp_path: Path) -> None:
    (pod,) = (each for each in tocsins(rendered("private-ca")) if each.component == "consume")
    settings = _read(pod, "private-ca", tmp_path)
    assert settings.kafka.sasl_password is not None
    assert settings.fhir.bearer_token_file == tmp_path / "fhir/bearer_token"
    credentials = settings.image.origin_credentials["https://pacs.example.org:8443"]
    assert (credentials.username, credentials.password_file) == ("tocsin", tmp_path / "origins/2eb25f3c6164/password")
    assert settings.report.edition == 1


@WAYS
def test_every_name_that_an_object_refers_to_is_one_that_there_is(way: str) -> None:
    named = {called(each) for each in rendered(way)}
    accounts = {f"ServiceAccount/{pod.spec['serviceAccountName']}" for pod in tocsins(rendered(way))} - {"ServiceAccount/default"}
    maps = {f"ConfigMap/{source['configMapRef']['name']}" for pod in pods(rendered(way)) for source in pod.container.get("envFrom", ())}
    services = {f"Service/{each['spec']['serviceName']}" for each in of_kind(rendered(way), "StatefulSet")}
    scalers = of_kind(rendered(way), "ScaledObject", "HorizontalPodAutoscaler")
    targets = {f"StatefulSet/{each['spec']['scaleTargetRef']['name']}" for each in scalers}
    assert accounts | maps | services | targets <= named


def test_the_whole_way_is_rehearsed_on_the_picture_that_a_site_names_once_the_check_has_passed() -> None:
    tests = {pod.container["args"][0]: pod for pod in tocsins(rendered("everything")) if pod.component == "test"}
    assert {pod.owner: name for name, pod in tests.items()} == {"Pod/skin-test-check": "check", "Pod/skin-test-event": "rehearse"}
    weights = {name: int(pod.annotations["helm.sh/hook-weight"]) for name, pod in tests.items()}
    assert weights["check"] < weights["rehearse"]
    asked = command("rehearse").make_context("rehearse", list(tests["rehearse"].container["args"][1:])).params
    assert {name: asked[name] for name in ("media", "subject", "within", "beside", "withdraw")} == {
        "media": "Media/skin-rehearsal",
        "subject": "Patient/skin-rehearsal",
        "within": 300,
        "beside": False,
        "withdraw": False,
    }
    assert "rehearse" not in {pod.container["args"][0] for pod in tocsins(rendered("minimal"))}
