"""What must hold of the customer base: suites in `include/expectations`, judged by Great Expectations.

A row rule is asked of pandas batches of bounded size and names the rows that break it; a batch rule is asked of a
profile, one row of figures that DuckDB worked out over the whole table. Great Expectations sees no more than that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from habitue.errors import HabitueError, SettingError
from habitue.settings import INCLUDE, Language, Strict, read_yaml, validate
from habitue.shop import ValidationLimits

if TYPE_CHECKING:
    import pandas as pd

DATASETS = ("customers", "orders", "consents")


class Rule(Strict):
    """One expectation in words of the shop. `with` is what the expectation takes; `limits` maps an argument of it to
    a setting of `validation` in shop.yaml."""

    name: str
    severity: Literal["row", "batch"]
    check: str = Field(pattern=r"^expect_[a-z_]+$")
    arguments: dict[str, Any] = Field(alias="with")
    limits: dict[str, str] = Field(default_factory=dict)
    unit: Literal["number", "share", "factor"] = "number"
    fr: str
    en: str
    refused: dict[Language, str] = Field(default_factory=dict)

    @property
    def column(self) -> str:
        return str(self.arguments["column"])

    def kwargs(self, limits: ValidationLimits) -> dict[str, Any]:
        return {**self.arguments, **{name: getattr(limits, setting) for name, setting in self.limits.items()}}


class Suite(Strict):
    dataset: Literal["customers", "orders", "consents"]
    rules: list[Rule]

    def of(self, severity: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.severity == severity]


def load_suite(dataset: str, folder: Path | None = None) -> Suite:
    """The suite of a dataset; SettingError names the file, the rule and what is allowed."""
    path = (folder or INCLUDE / "expectations") / f"{dataset}.yaml"
    content = read_yaml(path)
    rules = content.get("rules")
    if not isinstance(rules, dict):
        raise SettingError(f"{path}: rules: expected a rule's name and what it checks")
    suite = validate(path, Suite, {**content, "rules": [{"name": name, **rule} for name, rule in rules.items()]})
    for rule in suite.rules:
        _check_rule(path, rule)
    return suite


def _check_rule(path: Path, rule: Rule) -> None:
    for setting in rule.limits.values():
        if setting not in ValidationLimits.model_fields:
            allowed = ", ".join(sorted(ValidationLimits.model_fields))
            raise SettingError(f"{path}: {rule.name}: no limit is called {setting}; shop.yaml has {allowed}")
    if "column" not in rule.arguments:
        raise SettingError(f"{path}: {rule.name}: with: says no column")
    if rule.severity == "batch" and set(rule.refused) != {"fr", "en"}:
        raise SettingError(f"{path}: {rule.name}: a batch rule says in fr and en why the batch is refused")


@cache
def contact_rules() -> Mapping[str, Mapping[str, str]]:
    """Each rule on names, addresses, e-mails, telephones and dates, in French and in English."""
    return read_yaml(INCLUDE / "expectations" / "contacts.yaml")


@cache
def _batch_definition() -> Any:
    """Great Expectations made ready, once a process: in memory, offline, without a word or a file of its own."""
    # Said before the first import: it would otherwise report its use to its makers.
    os.environ.update(GX_ANALYTICS_ENABLED="false")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("habitue").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


class Examiner:
    """Great Expectations, kept quiet and offline, at work on data frames."""

    def __init__(self, limits: ValidationLimits) -> None:
        self.limits = limits
        self.definition = _batch_definition()

    def broken_rows(self, frame: pd.DataFrame, rules: list[Rule]) -> dict[str, list[Any]]:
        """For each rule, the index labels of the rows of `frame` that break it."""
        results = self._validate(frame, rules)
        return {
            rule.name: list(result.result.get("unexpected_index_list") or ()) if not result.success else []
            for rule, result in results
        }

    def judge(self, profile: Mapping[str, Any], rules: list[Rule]) -> dict[str, bool | None]:
        """Whether each rule holds of the profile; None where it has nothing to compare (no earlier snapshot)."""
        import pandas as pd

        verdicts: dict[str, bool | None] = dict.fromkeys((rule.name for rule in rules), None)
        asked = [rule for rule in rules if profile.get(rule.column, 0) is not None]
        if asked:
            found = self._validate(pd.DataFrame([dict(profile)]), asked)
            verdicts.update({rule.name: bool(result.success) for rule, result in found})
        return verdicts

    def _validate(self, frame: pd.DataFrame, rules: list[Rule]) -> list[tuple[Rule, Any]]:
        from great_expectations import ExpectationSuite
        from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

        expectations = [
            ExpectationConfiguration(
                type=rule.check, kwargs=rule.kwargs(self.limits), meta={"rule": rule.name}
            ).to_domain_obj()
            for rule in rules
        ]
        batch = self.definition.get_batch(batch_parameters={"dataframe": frame})
        suite = ExpectationSuite(name="habitue", expectations=expectations)
        results: dict[str, Any] = {
            cast(Any, result.expectation_config).meta["rule"]: result
            for result in batch.validate(suite, result_format="COMPLETE").results
        }
        for rule in rules:
            _check_engine(rule, results[rule.name].exception_info)
        return [(rule, results[rule.name]) for rule in rules]


def _check_engine(rule: Rule, info: Mapping[str, Any] | None) -> None:
    """An expectation that could not be asked reads as one that failed: it is our fault and no shop's."""
    info = info or {}
    parts = [info] if "raised_exception" in info else [cast(Mapping[str, Any], part) for part in info.values()]
    if any(part.get("raised_exception") for part in parts):
        raise HabitueError(
            f"rule {rule.name}: {rule.check} on column {rule.column} could not be asked; "
            "this says nothing about the data: mend the rule in include/expectations"
        )
