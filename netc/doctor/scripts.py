"""Scripts that call Caffe: its programs, its Python and its MATLAB interface, layers in C++."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from importlib.util import find_spec

from netc.doctor.findings import Finding, Place
from netc.layers.elsewhere import WRITE_IT
from netc.layers.plugins import layer_type
from netc.load import read_bytes, text_of
from netc.tools import TOOLS, VERBS, translated

Flags = Callable[[str], Collection[str] | None]  # of a command; None: there is none


COMMON = ("train.py", "classify.py", "detect.py", "summarize.py")  # names of others' scripts too
QUOTES = ("'", '"', "`")
_CALL = re.compile(
    rf"""(?:^|(?<=[\s;&|(=`"']))                           # the start of a word
    (?:[\w.:~$%\{{}}\-]*[/\\])*                            # its folder
    (?: (?:caffe(?:\.bin|\.exe)?|\$\{{?\w*CAFFE\w*\}}?)["']?\s+(?P<verb>{"|".join(VERBS)})
      | (?P<tool>{"|".join(re.escape(t) for t in TOOLS if " " not in t)})(?:\.bin|\.exe)?["']?
    )(?=[\s"'`;)]|$)(?P<rest>[^;&|`#)\n]*)""",
    re.VERBOSE,
)
_OF_CAFFE = re.compile(r"caffe|tools/extra", re.IGNORECASE)
_REDIRECTION = re.compile(r"(?:^|\s)\d?>.*")
_LISTED = re.compile(r"""["']\s*,\s*["']""")  # between the words of a list in Python
_REGISTERED = re.compile(r"^\s*REGISTER_LAYER_(?:CLASS|CREATOR)\((\w+)", re.MULTILINE)
_IMPORT = re.compile(
    r"^[ \t]*(?:import\s+caffe\b|from\s+caffe(?P<sub>\.\w+)?\s+import)", re.MULTILINE
)
_STRINGS = re.compile(
    r"""\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*""", re.DOTALL
)  # and comments
_USED = re.compile(r"\bcaffe\.(\w+)|\bfrom\s+caffe\s+import\s+\(?(\w+[\w, ]*\w)")
_LAYER = re.compile(r"^\s*class\b.*\bLayer\s*\)", re.MULTILINE)  # nets import its file
_MATLAB = re.compile(r"^[^%\n]*\bcaffe[.(]", re.MULTILINE)


def shell(place: Place, flags: Flags) -> Iterator[Finding]:
    """The calls of Caffe's programs in a script, and the commands to run instead."""
    at = 1
    for line in _text(place).replace("\\\n", "\\\0").split("\n"):
        joined = _LISTED.sub(" ", re.sub(r"\\\0\s*", "", line))
        if not joined.lstrip().startswith("#"):
            for match in _CALL.finditer(joined):
                before = joined[: match.start()][-1:]
                rest = match["rest"].split(before)[0] if before in QUOTES else match["rest"]
                if found := _call(match, rest, place.of(f"{place.path}:{at}"), flags):
                    yield found
        at += 1 + line.count("\0")


def _call(match: re.Match[str], rest: str, where: str, flags: Flags) -> Finding | None:
    name = match["tool"] or f"caffe {match['verb']}"
    if name in COMMON and not _OF_CAFFE.search(match[0][: match.start("tool") - match.start()]):
        return None
    instead = translated(name, _REDIRECTION.sub("", rest).split())
    known = flags(instead[0])
    if known is None:
        return Finding("missing", name, where)
    given = [w.partition("=")[0] for w in instead if re.match(r"--?[a-zA-Z]", w)]
    if unknown := [flag for flag in given if flag not in known]:
        return Finding("missing", f"{name} with {', '.join(unknown)}", where)
    return Finding("supported", name, where, " ".join(["netc", *instead]))


def python(place: Place, flags: Flags) -> Iterator[Finding]:
    """Calls of programs, the import of pycaffe, and what is used of it."""
    yield from shell(place, flags)
    text = _STRINGS.sub(lambda m: "\n" * m[0].count("\n"), _text(place))
    first = _IMPORT.search(text)
    if not first:
        return
    import netc.pycaffe

    where = _line(place, text, first.start())
    run = "" if _LAYER.search(text) else f"netc run {place.path}"
    yield Finding("supported", "pycaffe", where, run)
    used: dict[str, int] = {}
    for match in _USED.finditer(text):
        for words in (match[1] or match[2]).split(","):
            used.setdefault(words.split()[0], match.start())
    for name, start in used.items():
        inside = find_spec(f"netc.pycaffe.{name}")
        if not (hasattr(netc.pycaffe, name) or inside):
            yield Finding("missing", f"caffe.{name}", _line(place, text, start))


def matlab(place: Place, flags: Flags) -> Iterator[Finding]:
    """Uses of Caffe's MATLAB interface, which netc has not."""
    text = _text(place)
    if first := _MATLAB.search(text):
        yield Finding("missing", "matcaffe", _line(place, text, first.start()), "netc.pycaffe")


def cpp(place: Place, flags: Flags) -> Iterator[Finding]:
    """Layers that are registered in C++."""
    text = _text(place)
    for match in _REGISTERED.finditer(text):
        told, where = f"layer type '{match[1]}' in C++", _line(place, text, match.start(1))
        if layer_type(match[1]):
            yield Finding("supported", told, where)
        else:
            yield Finding("missing", told, where, WRITE_IT)


LANGUAGES: dict[str, Callable[[Place, Flags], Iterator[Finding]]] = {
    **dict.fromkeys((".sh", ".bash", ".bat", ".mk"), shell),
    ".py": python,
    ".m": matlab,
    **dict.fromkeys((".cpp", ".cu", ".cc"), cpp),
}


def _text(place: Place) -> str:
    return text_of(read_bytes(place.path)).replace("\r\n", "\n")


def _line(place: Place, text: str, offset: int) -> str:
    return place.of(f"{place.path}:{text.count(chr(10), 0, offset) + 1}")
