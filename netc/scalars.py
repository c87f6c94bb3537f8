"""The words of a prototxt to the values of their fields: numbers, enums, strings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field

from netc.errors import did_you_mean

_INTEGER_RANGES = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_INTEGER_WORDS = {("caffe.SolverParameter.test_iter", "auto"): -1}
_BOOLS: dict[str, bool] = {
    **dict.fromkeys(("true", "t", "1", "True"), True),
    **dict.fromkeys(("false", "f", "0", "False"), False),
}
_ESCAPE = re.compile(
    rb"\\(?:[xX]([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))"
)
_LETTERS = {
    b"%c" % letter: b"%c" % value
    for letter, value in zip(b"abfnrtv?\\'\"", b"\a\b\f\n\r\t\v?\\'\"", strict=True)
}


class BadValue(Exception):
    """A value that its field cannot hold; the text around it is sound."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def read_scalar(words: Sequence[str], known: Field) -> Any:
    """The value of a field from the words behind its colon: one, or adjacent quoted strings.

    Raises BadValue.
    """
    if known.cpp_type == Field.CPPTYPE_STRING:
        return _string(words, known)
    return _READERS[known.cpp_type](" ".join(words), known)


def _string(words: Sequence[str], known: Field) -> str | bytes:
    if words[0][0] not in "'\"":
        raise BadValue(f"{known.name} takes a string, not {words[0]}.", f'write "{words[0]}"')
    joined = b"".join(map(_unescape, words))
    if known.type == Field.TYPE_BYTES:
        return joined
    try:
        return joined.decode()
    except UnicodeDecodeError as e:
        raise BadValue(f"{known.name} is not valid UTF-8: {e.reason}.") from None


def _unescape(word: str) -> bytes:
    """The bytes of a quoted string. Escape sequences are those of C++: Python knows fewer."""
    try:
        return _ESCAPE.sub(_escaped, word[1:-1].encode())
    except (KeyError, ValueError):
        raise BadValue(
            f"Invalid escape sequence in string literal {word}.",
            "a backslash is written \\\\; paths can have / instead",
        ) from None


def _escaped(match: re.Match[bytes]) -> bytes:
    byte, octal, short, long, letter = match.groups()
    if letter is not None:
        return _LETTERS[letter]
    if short or long:
        return chr(int(short or long, 16)).encode()
    return bytes([int(byte, 16) if byte else int(octal, 8)])


def _integer(word: str, known: Field) -> int:
    if (known.full_name, word) in _INTEGER_WORDS:
        return _INTEGER_WORDS[known.full_name, word]
    octal = re.fullmatch(r"(-?)0(\d+)", word)  # as in C
    low, high = _INTEGER_RANGES[known.cpp_type]
    try:
        value = int(f"{octal[1]}0o{octal[2]}" if octal else word, 0)
    except ValueError:
        raise BadValue(f"{known.name} takes an integer, not '{word}'.") from None
    if not low <= value <= high:
        raise BadValue(f"{known.name} must be between {low} and {high}, not {word}.")
    return value


def _float(word: str, known: Field) -> float:
    bare = re.sub(r"(?i)^(-?inf)f$|f+$", r"\1", word)  # 1.5f as in C, but one f belongs to inff
    for text in () if re.match(r"-?0[0-9]+", word) else (word, bare):
        try:
            return float(text)
        except ValueError:
            continue
    raise BadValue(f"{known.name} takes a number, not '{word}'.")


def _bool(word: str, known: Field) -> bool:
    if word not in _BOOLS:
        raise BadValue(f"{known.name} takes true or false, not '{word}'.")
    return _BOOLS[word]


def _enum(word: str, known: Field) -> int:
    kind: Any = known.enum_type
    try:
        number = int(word, 0)
    except ValueError:
        if value := kind.values_by_name.get(word):
            return value.number
        names = list(kind.values_by_name)
        if word.strip("'\"") in names:
            hint = f"it is written without quotes: {known.name}: {word[1:-1]}"
        else:
            hint = did_you_mean(word, names) or f"it is one of {', '.join(names)}"
        raise BadValue(f'Enum type "{kind.full_name}" has no value named {word}.', hint) from None
    if number not in {v.number for v in kind.values}:  # values_by_number wraps at 32 bits
        values = ", ".join(f"{v.name}={v.number}" for v in kind.values)
        raise BadValue(
            f'Enum type "{kind.full_name}" has no value with number {number}.', f"it has {values}"
        )
    return number


_READERS: dict[int, Callable[[str, Field], Any]] = {
    **dict.fromkeys(_INTEGER_RANGES, _integer),
    Field.CPPTYPE_FLOAT: _float,
    Field.CPPTYPE_DOUBLE: _float,
    Field.CPPTYPE_BOOL: _bool,
    Field.CPPTYPE_ENUM: _enum,
}
