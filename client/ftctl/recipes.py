"""Recipes that a daemon knows by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fttrain import yamltext


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecipe:
    """A recipe that a job can be based on: what the job says itself is merged over it."""

    name: str
    title: str
    """What it is, in a few words."""
    purpose: str
    """What it is for."""
    source: str
    """Where its numbers come from."""
    yaml: str
    """Its keys as they would stand in a job file, with comments."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Its keys as plain data."""
        read: Mapping[str, Any] = yamltext.load(self.yaml).value
        return read
