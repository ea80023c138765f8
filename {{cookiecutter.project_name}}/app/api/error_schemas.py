"""The schemas of errors in the specification."""

from typing import Any, Final

from fastapi.openapi.constants import REF_PREFIX
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_referred_to: Final[set[type[BaseModel]]] = set()


def schema_of(*models: type[BaseModel]) -> dict[str, Any]:
    """The schema of an error with a body of one of these models, for a route's `responses`.

    `{"model": ErrorResponse}` says the same, but FastAPI then builds a validator for each error of each route: two
    hundred of them, which are never used.
    """
    _referred_to.update(models)
    references = [{"$ref": REF_PREFIX + model.__name__} for model in models]
    return references[0] if len(references) == 1 else {"anyOf": references}


def referred_to() -> dict[str, Any]:
    """The schemas that `schema_of` has referred to, by name."""
    models = [(model, "serialization") for model in _referred_to]
    schemas: dict[str, Any] = models_json_schema(models, ref_template=REF_PREFIX + "{model}")[1]["$defs"]  # type: ignore[arg-type]
    return schemas
