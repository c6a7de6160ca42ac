"""A bill of materials names what is there, with hash, licence and purl, and is the same bytes each time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.supply import sbom
from deploy.supply.__main__ import ASKED_WRONGLY, main
from deploy.supply.archives import archives, pins, sha256
from deploy.supply.debian import debian_packages
from deploy.supply.environment import site_packages
from deploy.supply.errors import SupplyError
from deploy.supply.licences import Bundled, Policy, Row
from tests.deploy.supply.made import DEBIAN, MIT, image, install, lock, wheel

WHEN: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)
INNER: Final = {"bomFormat": "CycloneDX", "components": [{"name": "memchr", "version": "2.7.4", "purl": "pkg:cargo/memchr@2.7.4"}]}
POLICY: Final = Policy(
    frozenset({"MIT"}),
    {"curly": Row("License :: OSI Approved :: BSD License", "BSD-3-Clause", "read")},
    {"lib": Bundled("Zlib"), "libcurl": Bundled("curl", "curl", r"libcurl/(\d+\.\d+\.\d+)")},
)


@dataclass(frozen=True)
class Bills:
    """What was made, and the wheels that it was made of."""

    product: dict[str, Any]
    image: dict[str, Any]
    texts: tuple[str, str]
    tocsin: Path
    curly: Path


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Bills:
    """A product with one dependency that brings libraries along, in an environment and in an image. Each is read by cyclonedx-py."""
    folder = tmp_path_factory.mktemp("bills")
    brought = {
        "curly.libs/libcurl-1a2b.so.4": b"\x7fELF..libcurl/8.23.0..",
        "curly.libs/libz-3c4d.so.1": b"\x7fELF",
        "curly-2.0.dist-info/sboms/rust.cdx.json": json.dumps(INNER).encode(),
    }
    curly = wheel(folder / "wheels", "curly", "2.0", "Classifier: License :: OSI Approved :: BSD License", files=brought)
    tocsin = wheel(folder / "wheels", "tocsin", "0.1.0", MIT, "Requires-Dist: curly")
    install(folder / "environment", tocsin, curly)
    known = sbom.Known(POLICY, archives([folder / "wheels"], pins(lock(folder / "lock.txt", curly))))
    first, again = (sbom.written(sbom.of_environment(folder / "environment", known), WHEN) for _ in range(2))
    whole = sbom.written(sbom.of_image(image(folder / "root", tocsin, curly), known), WHEN)
    return Bills(json.loads(first), json.loads(whole), (first, again), tocsin, curly)


def part(bill: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in bill["components"] if each["name"] == name]
    return dict(found)


def test_two_bills_of_the_same_things_are_the_same_bytes(bills: Bills) -> None:
    first, again = bills.texts
    assert first == again
    assert bills.product["metadata"]["timestamp"] == WHEN.isoformat()
    assert bills.product["serialNumber"].startswith("urn:uuid:")
    assert bills.product["serialNumber"] != bills.image["serialNumber"]


def test_the_product_is_what_its_bill_is_about_and_names_the_wheel_it_came_from(bills: Bills) -> None:
    root = bills.product["metadata"]["component"]
    assert (root["type"], root["purl"]) == ("application", "pkg:pypi/tocsin@0.1.0")
    assert root["hashes"] == [{"alg": "SHA-256", "content": sha256(bills.tocsin)}]
    assert {"ref": root["bom-ref"], "dependsOn": ["curly==2.0"]} in bills.product["dependencies"]
    assert [each["name"] for each in bills.product["components"]] == ["curly"]


def test_a_dependency_has_its_purl_its_wheels_hash_and_the_licence_that_was_read(bills: Bills) -> None:
    curly = part(bills.product, "curly")
    assert curly["purl"] == "pkg:pypi/curly@2.0"
    assert curly["hashes"] == [{"alg": "SHA-256", "content": sha256(bills.curly)}]
    assert curly["licenses"] == [{"acknowledgement": "concluded", "expression": "BSD-3-Clause"}]


def test_what_a_wheel_brings_along_is_named_with_its_version_where_it_says_one(bills: Bills) -> None:
    brought = {each["name"]: each for each in part(bills.product, "curly")["components"]}
    assert set(brought) == {"libcurl-1a2b.so.4", "libz-3c4d.so.1", "memchr"}
    assert brought["libcurl-1a2b.so.4"]["purl"] == "pkg:generic/curl@8.23.0"
    assert brought["libcurl-1a2b.so.4"]["licenses"][0]["expression"] == "curl"
    assert "version" not in brought["libz-3c4d.so.1"]
    assert brought["libz-3c4d.so.1"]["hashes"]
    assert brought["memchr"]["purl"] == "pkg:cargo/memchr@2.7.4"


def test_an_images_bill_names_debians_packages_and_the_product(bills: Bills) -> None:
    assert bills.image["metadata"]["component"]["type"] == "container"
    assert {each["name"] for each in bills.image["components"]} == {"libc6", "perl-base", "curly", "tocsin"}
    libc = part(bills.image, "libc6")
    assert libc["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12"
    assert libc["licenses"] == [{"license": {"name": "LGPL-2.1+"}}]
    assert part(bills.image, "tocsin")["hashes"]


def test_a_debian_package_names_the_source_that_vulnerabilities_are_told_of(bills: Bills) -> None:
    said = {each["value"] for each in part(bills.image, "perl-base")["properties"]}
    assert said == {"perl", "5.36.0-7"}


def test_no_path_of_the_machine_that_made_it_is_in_a_bill(bills: Bills) -> None:
    assert str(bills.tocsin.parent.parent) not in json.dumps([bills.product, bills.image])


def test_a_wheel_that_the_lock_does_not_allow_is_refused(tmp_path: Path) -> None:
    good = wheel(tmp_path / "wheels", "curly", "2.0", MIT)
    locked = pins(lock(tmp_path / "lock.txt", good))
    assert set(archives([tmp_path / "wheels"], locked)) == {("curly", "2.0")}
    wheel(tmp_path / "wheels", "curly", "2.0", MIT, files={"curly/more.py": b""})
    with pytest.raises(SupplyError, match=r"curly 2\.0 is not one that the lock file allows"):
        archives([tmp_path / "wheels"], locked)


def test_a_python_that_is_none_of_debians_packages_is_named_too(tmp_path: Path) -> None:
    header = image(tmp_path) / "usr/local/include/python3.11/patchlevel.h"
    header.parent.mkdir(parents=True)
    header.write_text('#define PY_VERSION      "3.11.9"\n')
    assert "pkg:generic/python@3.11.9" in {str(each.purl) for each in debian_packages(tmp_path)}


def test_a_folder_that_is_no_image_or_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SupplyError, match="no Python distribution is installed"):
        site_packages(tmp_path)
    with pytest.raises(SupplyError, match="not the root of a Debian release"):
        debian_packages(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(DEBIAN)
    with pytest.raises(SupplyError, match="no package of Debian's is installed"):
        debian_packages(tmp_path)


def test_the_command_says_what_is_wrong_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sbom", "product", str(tmp_path)]) == ASKED_WRONGLY
    assert "no Python distribution is installed below" in capsys.readouterr().err
