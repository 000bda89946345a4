"""Consent is proved by the words that it was given over: other words are another version."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from habitue.settings import INCLUDE, read_yaml
from habitue.web.public_pages import wording_version, words

WEB = INCLUDE / "templates" / "web"
LANGUAGES = ("fr", "en")


def read(language: str) -> dict[str, Any]:
    return read_yaml(WEB / f"public.{language}.yaml")


def digest(*languages: dict[str, Any]) -> str:
    said = [{key: value for key, value in one.items() if key != "version"} for one in languages]
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def keys(value: object, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {found for key, one in value.items() for found in keys(one, f"{path}.{key}")}
    return {path}


def test_whoever_changes_a_word_raises_the_version() -> None:
    spoken = [read(language) for language in LANGUAGES]
    (version,) = {one["version"] for one in spoken}
    kept = read_yaml(WEB / "public.versions.yaml")
    assert kept.get(version) == digest(*spoken), (
        f"the words of version {version} have changed: raise `version` in public.fr.yaml and public.en.yaml, and add "
        f"to public.versions.yaml: {max(kept, default=0) + 1}: {digest(*spoken)}"
    )
    assert list(kept) == list(range(1, version + 1))


def test_another_word_is_another_hash() -> None:
    french = read("fr")
    changed = {**french, "unsubscribe": {**french["unsubscribe"], "button": "Continuer"}}
    assert digest(french) != digest(changed)
    assert digest(french) == digest({**french, "version": 99})


def test_both_languages_say_the_same_things() -> None:
    assert keys(read("fr")) == keys(read("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_version_names_the_language_too(language: Any) -> None:
    assert wording_version(language) == f"public-{read(language)['version']}/{language}"


def test_the_request_to_call_says_all_that_the_law_asks() -> None:
    """R. 223-1 C. conso: who calls, for what, how long, how to withdraw, the proof."""
    for language, wanted in {
        "fr": ("{legal}", "{days} jours", "retirer à tout moment", "téléphone", "copie", "tacite"),
        "en": ("{legal}", "{days} days", "withdraw it at any time", "telephone", "copy", "renewed"),
    }.items():
        said = words(language)["preferences"]["call"][1]  # type: ignore[arg-type]
        assert [word for word in wanted if word not in said] == []


def test_french_spaces_are_set_and_e_mail_never_breaks() -> None:
    said = words("fr")["unsubscribe"]
    assert said["title"] == "Ne plus recevoir nos e\u2011mails\u202f?"
