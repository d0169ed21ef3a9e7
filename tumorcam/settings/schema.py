"""What stands beside the type of a setting: its description, unit, choices and limits."""

import functools
import sys
import typing
from dataclasses import dataclass, fields
from typing import Any, TypeVar

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Doc:
    """The description of a setting, one sentence."""

    text: str


@dataclass(frozen=True)
class Unit:
    """The unit of a number, such as samples."""

    name: str


@dataclass(frozen=True)
class Choices:
    """All texts that a setting, or each item of a list, may be."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class AtLeast:
    """The smallest number that a setting, or each item of a list, may be."""

    value: float


@dataclass(frozen=True)
class AtMost:
    """The largest number that a setting, or each item of a list, may be."""

    value: float


@dataclass(frozen=True)
class Items:
    """The largest number of items that a list may have."""

    at_most: int


@dataclass(frozen=True)
class OrOneText:
    """A list of texts for which a user may also give one text, which is then its only item."""


@dataclass(frozen=True)
class FileName:
    """A text that must be the plain name of a file or folder."""


@dataclass(frozen=True)
class FilePath:
    """A text that is the path of a file or folder; a home folder, ~ or ~user, is expanded."""


@dataclass(frozen=True)
class Setting:
    """A setting of one section, read from its annotation.

    `kind` is the type of the value, or of each item where the value is a list. Without choices
    any plain text is allowed, and without a limit any finite number.
    """

    name: str
    kind: type
    is_list: bool
    default: Any
    doc: str
    unit: str
    choices: tuple[str, ...]
    at_least: float | None
    at_most: float | None
    items_at_most: int | None = None
    is_file_name: bool = False
    is_path: bool = False
    or_one_text: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest number that is allowed; NaN and infinity never are."""
        low = -sys.float_info.max if self.at_least is None else self.at_least
        return low, sys.float_info.max if self.at_most is None else self.at_most


@functools.cache
def section_settings(section: type) -> dict[str, Setting]:
    """The settings of one section by name, in their order.

    Parameters
    ----------
    section : type
        A dataclass whose fields are `Annotated[type, Doc(...), ...] = default`.
    """
    annotations = typing.get_type_hints(section, include_extras=True)
    return {
        field.name: _setting(field.name, annotations[field.name], field.default)
        for field in fields(section)
    }


def _setting(name: str, annotation: Any, default: Any) -> Setting:
    value_type, *markers = typing.get_args(annotation)
    is_list = typing.get_origin(value_type) is tuple
    unit, choices = _marker(markers, Unit), _marker(markers, Choices)
    at_least, at_most = _marker(markers, AtLeast), _marker(markers, AtMost)
    items = _marker(markers, Items)
    return Setting(
        name=name,
        kind=typing.get_args(value_type)[0] if is_list else value_type,
        is_list=is_list,
        default=default,
        doc=_description(name, _marker(markers, Doc)),
        unit=unit.name if unit else "",
        choices=choices.values if choices else (),
        at_least=at_least.value if at_least else None,
        at_most=at_most.value if at_most else None,
        items_at_most=items.at_most if items else None,
        is_file_name=FileName() in markers,
        is_path=FilePath() in markers,
        or_one_text=OrOneText() in markers,
    )


def _description(name: str, doc: Doc | None) -> str:
    assert doc is not None, f"the setting {name} has no Doc"
    return doc.text


def _marker(markers: list[Any], kind: type[Kind]) -> Kind | None:
    """The marker of this kind, if the annotation has one."""
    return next((marker for marker in markers if isinstance(marker, kind)), None)
