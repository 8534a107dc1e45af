"""Building blocks of the recipe schema: strict models and choices."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Strict(BaseModel):
    """A section of a recipe: immutable, no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class OneOf(Strict):
    """A choice: a single-key map such as `{sgd: {lr: 0.1}}`, or a bare name for defaults.

    Every field of a subclass is one alternative, `X | None = None`.
    """

    @model_validator(mode="before")
    @classmethod
    def _accept_a_bare_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        if isinstance(value, dict):
            return {name: {} if options is None else options for name, options in value.items()}
        return value

    @model_validator(mode="after")
    def _hold_exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            names = ", ".join(type(self).model_fields)
            raise ValueError(f"choose exactly one of: {names}")
        return self

    @property
    def kind(self) -> str:
        """The name of the chosen alternative."""
        return next(iter(self.model_fields_set))

    @property
    def value(self) -> Any:
        """The options of the chosen alternative."""
        return getattr(self, self.kind)

    @model_serializer(mode="plain")
    def _serialize(self) -> dict[str, Any]:
        return {self.kind: self.value.model_dump(mode="json", exclude_none=True)}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        alternatives: dict[str, Any] = {}
        for name, options in schema.get("properties", {}).items():
            variants = options.get("anyOf", [options])
            alternatives[name] = next(v for v in variants if v.get("type") != "null")
        return {
            "title": cls.__name__,
            "description": (cls.__doc__ or "").strip(),
            "oneOf": [
                {"type": "string", "enum": list(alternatives)},
                *(
                    {
                        "type": "object",
                        "properties": {name: options},
                        "required": [name],
                        "additionalProperties": False,
                    }
                    for name, options in alternatives.items()
                ),
            ],
        }


def is_tag(part: str | int) -> bool:
    """Tell tags of unions, written <so>, from keys; no field path shows them."""
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def shape(value: Any) -> str:
    """Return the tag that a value of a union has by its shape."""
    if isinstance(value, dict | BaseModel):
        return "<map>"
    if isinstance(value, str):
        return "<name>"
    return "<number>" if isinstance(value, int | float) else "<other>"


class _Flat:
    """Has the schema say anyOf, which nests without a trace, where pydantic says oneOf."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        return {"anyOf": schema["oneOf"]}


FLAT = _Flat()
