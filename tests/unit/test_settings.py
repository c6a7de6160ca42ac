"""Settings come from the environment, say what is wrong, and hide what is secret."""

from __future__ import annotations

import pytest
from tocsin.errors import ConfigurationError
from tocsin.settings import read_settings


def test_a_variable_reaches_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA__GROUP_ID", "dermatology")
    monkeypatch.setenv("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", '["https://PACS.example.org"]')
    settings = read_settings()
    assert settings.kafka.group_id == "dermatology"
    assert settings.image.url_origins_allowed == ("https://pacs.example.org",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_KAFKA__NO_SUCH_THING", "1"),
        ("TOCSIN_CONSUEM__WORKERS", "4"),
        ("TOCSIN_CONSUME__WORKERS", "0"),
        ("TOCSIN_FHIR__BEARER_TOKEN", "abc\r\nX-Other: 1"),
        ("TOCSIN_KAFKA__BOOTSTRAP_SERVERS", "kafka"),
        ("TOCSIN_FHIR__BASE_URL", "ftp://x"),
        ("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", '["https://host/path"]'),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        read_settings()


def test_a_token_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_FHIR__BEARER_TOKEN", "canary-token")
    assert "canary-token" not in repr(read_settings())


def test_a_list_that_is_no_json_is_named_with_the_form_it_should_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_IMAGE__URL_ORIGINS_ALLOWED", "https://pacs.example.org")
    with pytest.raises(ConfigurationError, match="lists are JSON"):
        read_settings()
