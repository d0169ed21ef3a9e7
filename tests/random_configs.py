"""Configs drawn at random: valid ones, and values, overrides and bytes that are mostly wrong."""

import datetime
import functools
from pathlib import Path

import tomli_w
from hypothesis import strategies as st

from tumorcam.settings.config import Config, config_from_tables, config_sections
from tumorcam.settings.schema import Setting, section_settings

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))
SETTINGS = {
    f"{name}.{setting.name}": setting
    for name, section in config_sections().items()
    for setting in section_settings(section).values()
}
NOT_PLAIN = ("Cc", "Cs", "Zl", "Zp")  # control characters, surrogates, line separators
PLAIN = st.characters(exclude_categories=NOT_PLAIN)
ANY = st.characters(exclude_categories=())  # also lone surrogates, as in undecodable arguments

HOSTILE_TOML = (
    *("9" * 5000, "-1", "0x" + "f" * 6000, "1e999", "inf", "-inf", "nan", "-0.0", "5e-324"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", "1" + "0" * 400),
    *("[" * 3000, "{a=" * 3000, "[[1], [2]]", "{a = {b = 1}}", "[{a = 1}]", "[]", "1_000"),
    *("1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "true", "false", "maybe", "", "'", '"""'),
    *(r'"\u0000"', r'"a\nb"', r'"\u001b[31m"', r'"\u2028"', r'"\u202e"', '"<b>&amp;"', '"[bold]"'),
    *('"~"', '"~/x"', '"~no-such-user/x"', '"./~"', '"/"', '".."', '"-x"', r'"a\\b"', '"a/b"'),
    *("'" + "x" * 5000 + "'", "'" + "😀" * 100 + "'", "'größe α'", '["BRCA", "BRCA"]', "#"),
    *("[" + "1," * 99 + "]", '["x", 1, 1.5]', "[1, 2, 3]", "[8]", "0.25", "7"),
)  # fmt: skip
HOSTILE_TEXTS = ("x" * 5000, "\x00", "a\nb", "~/x", "~no-such-user", "\ud800", "<b>", "\x1b[1m")
HOSTILE_INTEGERS = (10**30, 10**400, -(10**400), 2**63, 2**63 - 1, 16**6000, 0, 1, -1)

hostile_values = st.one_of(
    st.integers(),
    st.sampled_from(HOSTILE_INTEGERS),
    st.floats(),
    st.booleans(),
    st.text(max_size=20),
    st.text(ANY, max_size=20),
    st.sampled_from(HOSTILE_TEXTS),
    st.dates(),
    st.just(datetime.time(7, 32)),
    st.lists(st.integers() | st.floats() | st.text(max_size=3), max_size=40),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.just([{}] * 3),
)


@functools.cache  # a strategy is slow to build
def valid_items(setting: Setting) -> st.SearchStrategy:
    """Values that a setting which is no list, or an item of a list, may have."""
    low, high = setting.limits
    if setting.choices:
        return st.sampled_from(setting.choices)
    if setting.kind is int:
        return st.integers(int(low), int(high))
    if setting.kind is float:
        return st.floats(low, high)
    if setting.kind is bool:
        return st.booleans()
    if setting.is_file_name:
        names = st.text(st.characters(exclude_categories=NOT_PLAIN, exclude_characters="/\\"))
        return names.map("x{:.50}".format)
    if setting.is_path:
        return st.text(PLAIN, max_size=5).filter(lambda text: not text.startswith("~"))
    return st.text(PLAIN, max_size=5)


@functools.cache
def valid_values(setting: Setting) -> st.SearchStrategy:
    """Values that a setting may have, by itself."""
    items = valid_items(setting)
    if not setting.is_list:
        return items
    return st.lists(items, max_size=3, unique=setting.kind is str)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Any valid config: each number comes from its range, each text from its choices."""
    tables = {
        name: {
            setting.name: draw(valid_items(setting))
            for setting in section_settings(section).values()
            if not setting.is_list
        }
        for name, section in config_sections().items()
    }
    return config_from_tables(tables, source="drawn")


@st.composite
def hostile_tables(draw: st.DrawFn) -> dict:
    """A few settings, most of which exist, with values of which most are wrong."""
    tables: dict = {}
    for name in draw(st.lists(st.sampled_from(sorted(SETTINGS)), min_size=1, max_size=4)):
        section, _, key = name.partition(".")
        values = hostile_values if draw(st.integers(0, 2)) == 0 else valid_values(SETTINGS[name])
        tables.setdefault(section, {})[key] = draw(values)
    if draw(st.integers(0, 9)) == 0:
        tables[draw(st.text(max_size=5) | st.just("run"))] = draw(hostile_values)
    return tables


def hostile_lines() -> st.SearchStrategy[bytes]:
    """TOML text of a few settings whose values are mostly wrong."""
    tables = st.sampled_from([*config_sections(), "rnu", "'a b'", '"\\u0007"', "run.name"])
    keys = st.sampled_from([*(name.partition(".")[2] for name in SETTINGS), "run.name", "''"])
    lines = st.one_of(
        tables.map("[{}]".format),
        tables.map("[[{}]]".format),
        st.tuples(keys, st.sampled_from(HOSTILE_TOML)).map(" = ".join),
        st.tuples(st.sampled_from(sorted(SETTINGS)), st.sampled_from(HOSTILE_TOML)).map(" = ".join),
    )
    return st.lists(lines, max_size=5).map(lambda parts: "\n".join(parts).encode())


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    """The bytes of a shipped config after a few cuts, insertions and changed bytes."""
    content = draw(st.sampled_from(CONFIGS)).read_bytes()
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.sampled_from([start, start + 1, start + 10, start + 200]))
        snippet = st.binary(max_size=8) | st.sampled_from(HOSTILE_TOML).map(str.encode)
        content = content[:start] + draw(snippet) + content[stop:]
    return content


@st.composite
def valid_overrides(draw: st.DrawFn) -> str:
    """A `--set` override whose value is TOML that its setting may have, by itself."""
    name = draw(st.sampled_from(sorted(SETTINGS)))
    text = tomli_w.dumps({"value": draw(valid_values(SETTINGS[name]))}).partition(" = ")[2]
    return f"{name}={text.strip()}".replace("\n", "")


def hostile_overrides() -> st.SearchStrategy[str]:
    """`--set` overrides of which most are wrong, in the key or in the value."""
    names = st.sampled_from(sorted(SETTINGS))
    odd = st.sampled_from(
        ["run", "run.", ".name", "run..name", "run.name.x", "run.'name'", "rnu.name"]
    )
    texts = st.sampled_from(HOSTILE_TOML) | st.text(ANY, max_size=20)
    signs = st.sampled_from(["=", " = ", "==", "\n", ""])
    sentences = st.tuples(names | odd | st.text(ANY, max_size=9), signs, texts).map("".join)
    return sentences | st.tuples(names, st.just("="), texts).map("".join) | valid_overrides()
