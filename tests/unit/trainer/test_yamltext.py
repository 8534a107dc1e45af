"""The one YAML reader: values, places, and what it refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fttrain.yamltext import YamlError, join_path, load, load_value, split_path

TAG_REFUSED = "the tag `tag:yaml.org,2002:python/name:os.system` is not supported; leave it out"


def refusal(text):
    with pytest.raises(YamlError) as caught:
        load(text)
    return (caught.value.line, caught.value.column, caught.value.message)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("3", 3),
        ("010", 10),
        ("0x1f", 31),
        ("0o17", 15),
        ("9007199254740993", 9007199254740993),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("~", None),
        ("null", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("'1'", "1"),
        ('"1"', "1"),
        ("!!str 1", "1"),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    read = load(f"key: {text}").value["key"]

    assert (read, type(read)) == (value, type(value))


def test_values_are_plain_python():
    value = load("a: {b: [1, {c: x}]}\nd: |\n  two\n  lines\n").value

    assert value == {"a": {"b": [1, {"c": "x"}]}, "d": "two\nlines\n"}
    assert {type(value), type(value["a"]), type(value["a"]["b"]), type(value["d"])} == {
        dict,
        list,
        str,
    }


def test_keys_keep_their_order():
    assert list(load("z: 1\na: 2\nm: 3").value) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("train", (1, 1)),
        ("train.groups", (2, 3)),
        ("train.groups[1]", (4, 7)),
        ("train.groups[1].lr", (5, 7)),
        ("train.groups[0].select[1]", (3, 20)),
        ("train.groups[9].select", (2, 3)),
        ("train.groups[0].nothing.here", (3, 7)),
        ("absent", (1, 1)),
        ("", (1, 1)),
    ],
)
def test_every_field_knows_its_line_and_column(path, place):
    document = load(
        "train:\n  groups:\n    - {select: [a, b]}\n    - select: [c]\n      lr: 1e-3\n"
    )

    assert document.line_of(path) == place


def test_an_alias_has_the_place_of_its_own_key():
    document = load("a: &x {k: 1}\nb: *x\n")

    assert document.value == {"a": {"k": 1}, "b": {"k": 1}}
    assert document.line_of("b") == (2, 1)
    assert document.line_of("b.k") == (1, 8)


def test_an_alias_gives_a_copy_of_its_own():
    value = load("a: &x {k: 1}\nb: *x\n").value
    value["b"]["k"] = 2

    assert value["a"] == {"k": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, 1, "the file is empty; it must hold keys and values")),
        ("# nothing\n", (1, 1, "the file is empty; it must hold keys and values")),
        ("- a\n- b", (1, 1, "the top level must be keys and values, not a list")),
        ("hello", (1, 1, "the top level must be keys and values, not `hello`")),
        ("a: 1\nb: 2\na: 3", (3, 1, "the key `a` is given twice; first in line 1")),
        ("a: {b: 1, b: 2}", (1, 11, "the key `b` is given twice; first in line 1")),
        (
            "name: x\nlr: a: b",
            (
                2,
                6,
                "a `:` where no key can be; check the indentation, and put a text with a colon "
                "in quotes",
            ),
        ),
        ("a:\n\tb: 1", (2, 1, "a tab; indent with spaces")),
        ("a: [1, 2\nb: 3", (2, 2, "the `[` opened in line 1, column 4 is not closed properly")),
        ("a: {b: 1", (1, 9, "the `{` opened in line 1, column 4 is not closed properly")),
        ("a: 'x\nb: 1", (2, 5, "the quote opened in line 1, column 4 is not closed properly")),
        ("a: @x", (1, 4, "a text cannot begin with this character; put it in quotes")),
        (
            "a:\n  - 1\n - 2",
            (3, 2, "does not fit what stands above; check the indentation"),
        ),
        ("a: 1\nb\nc: 2", (3, 1, "a key without its `:`; check the indentation")),
        (
            r'a: "C:\data"',
            (1, 8, r"an unknown escape in double quotes; write `\\` for a backslash"),
        ),
        ("a: !!python/name:os.system x", (1, 4, TAG_REFUSED)),
        ("a: *b", (1, 4, "nothing before this is named `&b`")),
        ("a: &b [*b]", (1, 8, "nothing before this is named `&b`")),
        ("a: {<<: {b: 1}}", (1, 5, "merge keys (`<<`) are not supported; write the keys out")),
        ("1: a", (1, 1, "the key `1` is not a text; put it in quotes")),
        ("? [1, 2]\n: a", (1, 3, "a key must be a text")),
        ("a: 1\n---\nb: 2", (3, 1, "a second document begins here; a file holds one")),
        ("a: .nan", (1, 4, "`.nan` is not a finite number")),
        ("a: 1e999", (1, 4, "`1e999` is not a finite number")),
        ("a: x\nb: \x07", (2, 4, "the character U+0007 has no place in a text file")),
        (r'a: "\ud83d"', (1, 4, r"an escape such as \ud83d is half a character")),
    ],
)
def test_refusals_name_the_place_and_the_fault(text, expected):
    assert refusal(text) == expected


def test_a_bomb_of_aliases_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]

    line, _, message = refusal("\n".join(lines))

    assert (line, message) == (4, "aliases stand for more than 10,000 values")


def test_deep_nesting_is_refused_before_it_harms():
    assert refusal("a: " + "[" * 200_000)[2] == "nested deeper than 64 levels"


# Raw controls and Unicode's own line ends are no text in YAML; JSON may hold them escaped.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)
SCALARS = [
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
]
JSON = st.recursive(
    st.one_of(SCALARS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 2]), st.booleans())
def test_json_is_read_as_json(value, indent, ascii_only):
    text = json.dumps({"key": value}, indent=indent, ensure_ascii=ascii_only)

    assert load(text).value == {"key": value}


def test_json_keeps_its_lines():
    document = load('{\n  "name": "\\ud83d\\ude00",\n  "train": {\n\t\t"epochs": 3\n  }\n}\n')

    assert document.value == {"name": "😀", "train": {"epochs": 3}}
    assert document.line_of("train.epochs") == (4, 3)


def test_a_single_value_is_read_like_one_in_a_file():
    assert load_value("1e-3") == 0.001
    assert load_value("{sgd: {lr: 0.1}}") == {"sgd": {"lr": 0.1}}
    assert load_value("") is None


def test_a_field_path_is_names_and_positions():
    assert split_path("train.groups[1].select[0]") == ("train", "groups", 1, "select", 0)


@pytest.mark.parametrize("text", [".a", "a.", "a..b", "a[x]", "a[-1]", "a[1", "a]b"])
def test_what_is_no_field_path_is_refused(text):
    with pytest.raises(ValueError, match="is not a field path such as"):
        split_path(text)


def test_keys_given_twice_can_be_told_of_beside_other_faults() -> None:
    text = "a: 1\nb: {c: 1, c: 2, c: 3}\nd: [{e: 1, e: 2}]\na: 4\n"

    document = load(text, strict=False)

    assert document.value == {"a": 4, "b": {"c": 3}, "d": [{"e": 2}]}
    assert [(join_path(k.path), k.place, k.first_line) for k in document.doubled()] == [
        ("a", (4, 1), 1),
        ("b.c", (2, 17), 2),
        ("d[0].e", (3, 12), 3),
    ]


def test_a_key_given_twice_by_set_is_an_error() -> None:
    with pytest.raises(YamlError, match="the key `lr` is given twice; first in line 1"):
        load_value("{sgd: {lr: 1, lr: 2}}")
