"""``static/openapi.json``, and whether an answer or an event of a stream is what it says."""

import json
import re
from pathlib import Path
from typing import cast

from jsonschema import Draft202012Validator

import alloytrio.admin

Json = dict[str, object]
DESCRIPTION = cast(
    Json, json.loads((Path(alloytrio.admin.__file__).parent / "static" / "openapi.json").read_text("utf-8"))
)
PATHS = cast(dict[str, dict[str, Json]], DESCRIPTION["paths"])


def described(path: str) -> str:
    """The path in the description that a call belongs to; both without ``/api/v1``."""
    plain = path.partition("?")[0]
    for template in sorted(PATHS, key=lambda each: each.count("{")):
        if re.fullmatch(
            re.sub(r"\{\w+\}", "[^/]+", re.escape(template).replace(r"\{", "{").replace(r"\}", "}")), plain
        ):
            return template
    raise LookupError(path)


def check_answer(path: str, status: int, body: bytes) -> None:
    """An answer is JSON of which the description says everything.

    Raises:
        jsonschema.ValidationError: it is not as described.
        ValueError: it is no JSON; NaN and Infinity are none.
    """
    responses = cast(dict[str, dict[str, dict[str, Json]]], PATHS[described(path)]["get"]["responses"])
    _check(cast(Json, responses[str(status)]["content"]["application/json"]["schema"]), strict(body))


def check_event(path: str, name: str, data: bytes) -> Json:
    """An event of a stream is one that the description knows; gives its value.

    Raises:
        KeyError: it does not know it.
        jsonschema.ValidationError, ValueError: as above.
    """
    responses = cast(dict[str, dict[str, dict[str, Json]]], PATHS[described(path)]["get"]["responses"])
    events = cast(dict[str, Json], responses["200"]["content"]["text/event-stream"]["x-events"])
    value = strict(data)
    _check(events[name], value)
    return cast(Json, value)


def strict(body: bytes) -> object:
    """JSON as RFC 8259 has it.

    Raises:
        ValueError: it is none.
    """
    return json.loads(body, parse_constant=_refuse)


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def _check(schema: Json, value: object) -> None:
    Draft202012Validator({**schema, "components": DESCRIPTION["components"]}).validate(value)
