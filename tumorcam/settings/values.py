"""The check of a user's value against its setting."""

import re
from pathlib import Path
from typing import Any

from tumorcam.errors import ConfigError, quoted
from tumorcam.settings.schema import Setting

MAX_TEXT = 4096  # characters; also the longest path of Linux
MAX_FILE_NAME = 100  # characters
MAX_FILE_NAME_BYTES = 255  # of Linux's file systems
MAX_INTEGER = 2**63 - 1  # of TOML
NO_PLAIN_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def checked_value(setting: Setting, where: str, value: Any) -> Any:
    """The value in the setting's type, with lists as tuples and home folders expanded.

    Parameters
    ----------
    setting : Setting
        What the value must be.
    where : str
        The source and the key of the value, for error messages.
    value : any type of TOML
        The value as the user gave it.

    Raises
    ------
    ConfigError
        If the value has a wrong type, range, length or form.
    """
    if not setting.is_list:
        return _checked_item(setting, where, value)
    if setting.or_one_text and isinstance(value, str):
        value = [value] if value else []
    if not isinstance(value, list):
        msg = f"{where} = {quoted(value)}; wanted a list of {setting.kind.__name__}"
        raise ConfigError(msg)
    if setting.items_at_most is not None and len(value) > setting.items_at_most:
        msg = f"{where} has {len(value)} items; wanted at most {setting.items_at_most}"
        raise ConfigError(msg)
    items = tuple(_checked_item(setting, where, item) for item in value)
    if len(set(items)) != len(items) and setting.kind is str:
        msg = f"{where} = {quoted(value)} names something twice; name it once"
        raise ConfigError(msg)
    return items


def check_plain(text: str, what: str) -> None:
    """Refuse a text with control characters, line separators or bytes that are not UTF-8.

    Raises
    ------
    ConfigError
        If there is one; `what` begins the message.
    """
    character = NO_PLAIN_CHARACTER.search(text)
    if character:
        msg = f"{what} holds {quoted(character[0])}; wanted UTF-8 text without control characters"
        raise ConfigError(msg)


def _checked_item(setting: Setting, where: str, item: Any) -> Any:
    kind: Any = setting.kind
    is_short = type(item) is float or (type(item) is int and abs(item) <= MAX_INTEGER)
    if kind is str and is_short:  # layout.decoys = 0.3, sample_types = [1]
        item = str(item)
    if type(item) is not kind and not (kind is float and type(item) is int):
        limits = f" of {_limits(setting)}" if kind in (int, float) else ""
        msg = f"{where} = {quoted(item)} is {type(item).__name__}; wanted {kind.__name__}{limits}"
        raise ConfigError(msg)
    if kind is str:
        return _checked_text(setting, where, item)
    low, high = setting.limits
    if kind is not bool and not low <= item <= high:  # `not` also refuses NaN
        msg = f"{where} = {quoted(item)}; wanted {_limits(setting)}"
        raise ConfigError(msg)
    return kind(item)


def _limits(setting: Setting) -> str:
    low, high = setting.limits
    return f"at least {low} and at most {high}"


def _checked_text(setting: Setting, where: str, text: str) -> str:
    _check_length(where, text)
    check_plain(text, f"{where} = {quoted(text)}")
    if setting.choices and text not in setting.choices:
        msg = f"{where} = {quoted(text)}; wanted one of {', '.join(setting.choices)}"
        raise ConfigError(msg)
    if setting.is_file_name:
        _check_file_name(where, text)
    return _expanded(where, text) if setting.is_path else text


def _check_length(where: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        msg = f"{where} = {quoted(text)} has {len(text)} characters; wanted at most {MAX_TEXT}"
        raise ConfigError(msg)


def _check_file_name(where: str, text: str) -> None:
    is_long = len(text) > MAX_FILE_NAME or len(text.encode()) > MAX_FILE_NAME_BYTES
    is_relative = text in (".", "..") or text.startswith(("-", "~"))
    if is_long or is_relative or not text.strip() or "/" in text or "\\" in text:
        msg = (
            f"{where} = {quoted(text)}; wanted the name of a folder: 1 to {MAX_FILE_NAME} "
            f"characters (at most {MAX_FILE_NAME_BYTES} bytes), no slash or backslash, not . or "
            ".., and no - or ~ at its start"
        )
        raise ConfigError(msg)


def _expanded(where: str, text: str) -> str:
    """The path with the home folder in place of ~ or ~user."""
    if not text.startswith("~"):
        return text
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # no home folder is known
        path = Path(text)
    if not path.is_absolute():
        user = text.partition("/")[0]
        msg = (
            f"{where} = {quoted(text)}, but no home folder is known for {quoted(user)}; wanted "
            "the whole path, or ./ before the ~ if it belongs to the name"
        )
        raise ConfigError(msg)
    _check_length(where, str(path))
    check_plain(str(path), f"{where} = {quoted(str(path))}")
    return str(path)
