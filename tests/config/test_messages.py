"""Pydantic's errors in our words: every kind of place and every kind of mistake."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator

from alloytrio.config.messages import findings
from alloytrio.config.provenance import redacted
from alloytrio.values import ByteSize, Duration, ListenAddress
from tests.config.samples import CANARY


class Version(Enum):
    """An enumeration."""

    OLD = "1.0"
    NEW = "1.1"


class Inner(BaseModel):
    """A table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(0.5, ge=0, le=1)
    name: str = Field("ab", min_length=2, max_length=4, pattern="^a")


def kind(value: Any) -> str:
    """The tag of one of two shapes."""
    return "text" if isinstance(value, str) else "table"


class Model(BaseModel):
    """A table with something of everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version = Version.OLD
    one_way: Literal["only"] = "only"
    size: ByteSize = Field(4, lt=8, multiple_of=2)
    wait: Duration = Field(1.0, gt=0.5)
    names: frozenset[str] = Field(frozenset(), max_length=1)
    ports: list[int] = Field(default=[1], min_length=1)
    listen: ListenAddress = ":1"
    number_or_text: int | str = 1
    either: str | dict[str, int] = ""
    bounded: Annotated[int, Field(ge=3)] | Annotated[float, Field(le=1)] = 3
    shape: Annotated[Annotated[str, Tag("text")] | Annotated[Inner, Tag("table")], Discriminator(kind)] = ""
    url: str = ""
    path: Path = Path("x")
    given: str = Field("", alias="from")
    inner: Inner = Inner()

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value:
            raise ValueError(f"cannot use {value!r} ({value.upper()}): {value} has no scheme")
        return value


def said(table: dict[str, object]) -> list[str]:
    """What is said about a table."""
    with pytest.raises(ValidationError) as caught:
        Model.model_validate(table)
    details = caught.value.errors(include_url=False, include_input=False)
    return [f"{'.'.join(map(str, each.path))}: {each.message}" for each in findings(Model, table, details)]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"version": CANARY}, 'version: must be one of "1.0", "1.1"'),
        ({"one_way": CANARY}, 'one_way: must be "only"'),
        ({"size": "8B"}, "size: must be less than 8B"),
        ({"size": 3}, "size: must be a multiple of 2B"),
        ({"wait": "500ms"}, "wait: must be greater than 500ms"),
        ({"names": ["a", "b"]}, "names: must have 1 or fewer elements"),
        ({"names": CANARY}, "names: must be a list"),
        ({"ports": []}, "ports: must have 1 or more elements"),
        ({"ports": [1, CANARY]}, "ports.1: must be a whole number"),
        ({"listen": CANARY}, 'listen: not an address: write host:port, such as "127.0.0.1:4317"'),
        ({"number_or_text": []}, "number_or_text: must be a whole number or a text"),
        ({"either": 5}, "either: must be a text or a table"),
        ({"either": {"a": CANARY}}, "either: must be a text or a table"),
        ({"bounded": 2}, "bounded: must be at least 3 or at most 1"),
        ({"shape": {"rate": 2}}, "shape.rate: must be at most 1"),
        ({"shape": {"rtae": 2}}, "shape.rtae: unknown key"),
        ({"inner": {"rate": -1}}, "inner.rate: must be at least 0"),
        ({"inner": {"name": "a"}}, "inner.name: must have 2 or more characters"),
        ({"inner": {"name": "aaaaa"}}, "inner.name: must have 4 or fewer characters"),
        ({"inner": {"name": "ba"}}, "inner.name: must match the pattern ^a"),
        ({"inner": CANARY}, "inner: must be a table"),
        ({"url": "abcd.e"}, "url: cannot use '…' (ABCD.E): … has no scheme"),
        ({"from": 5}, "from: must be a text"),
        ({"given": CANARY}, "given: unknown key"),
        ({"path": []}, "path: must be a text"),
    ],
)
def test_said(table: dict[str, object], expected: str) -> None:
    """Each mistake is told in our words, at the key that the user wrote."""
    assert said(table)[0] == expected


def test_a_wrong_element_is_not_a_missing_one() -> None:
    """Of a list with a wrong element only that element is named, though to pydantic the list lacks one as well."""
    assert said({"ports": [CANARY]}) == ["ports.0: must be a whole number"]


def test_redacted_values_of_every_type() -> None:
    """Values of every type are shown as plain ones, under the keys that a user writes."""
    shown = redacted(Model(version=Version.NEW, names=frozenset({"a"}), **{"from": "x"}))
    assert shown["version"] == "1.1"
    assert shown["names"] == ["a"]
    assert shown["size"] == "4B"
    assert shown["path"] == "x"
    assert shown["from"] == "x"
    assert "given" not in shown
