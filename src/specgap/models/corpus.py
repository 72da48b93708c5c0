"""What the demonstration pair learns from: the standard library's own prose, and sentences made from prompts.

The prose is part of every CPython, so nothing is fetched; another Python version has other prose, hence other
weights, and `digest` says which it was. The sentences treat all prompts alike: how a prompt goes on is drawn
from lists that know its last two words and nothing else of it.
"""

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

_LETTERS = re.compile(r"[A-Za-z ,.;:']")
_CODE = re.compile(r">>>|::|\*\*|==|--|\\|\||\.\. |->")
_SHARE_OF_LETTERS = 0.95
_SHORTEST = 40


def _split(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split("|"))


# Fixed, and only modules that CPython 3.11 to 3.14 all have: what is installed must not change the corpus.
_MODULES = _split(
    """argparse|ast|asyncio.queues|asyncio.tasks|bdb|calendar|cmd|codecs|collections|configparser|contextlib|copy|
    csv|dataclasses|difflib|dis|doctest|email.message|enum|fileinput|fractions|ftplib|functools|gettext|hashlib|
    heapq|http.client|http.cookiejar|imaplib|inspect|ipaddress|json|logging|logging.handlers|mailbox|mimetypes|
    numbers|optparse|os|pdb|pickle|pickletools|platform|pprint|pydoc|queue|random|sched|selectors|shelve|shlex|
    shutil|smtplib|socket|socketserver|statistics|string|subprocess|tarfile|tempfile|textwrap|threading|timeit|
    trace|traceback|typing|unittest.case|unittest.mock|urllib.request|uuid|warnings|weakref|zipfile"""
)

_JOBS = _split(
    "baker|builder|carpenter|doctor|driver|farmer|gardener|nurse|painter|pilot|singer|teacher|writer"
)
_AN_JOBS = _split("actor|architect|artist|author|editor|electrician|engineer|interpreter")
_TEAMS = _split("nurses|teachers|engineers|gardeners|cooks|writers|scientists|drivers|volunteers|builders")
_FIELDS = _split(
    """medicine|history|music|engineering|law|chemistry|design|languages|teaching|farming|public health|
    the theatre|computing|architecture"""
)
_VERBS = _split(
    """read by the window|learn a new language|walk along the river|cook for the neighbours|play the piano|
    work in the garden|travel by train|sing in the choir|write long letters|look after the animals|
    swim in the lake|paint the old house|help at the library|study the stars"""
)
_THINGS = _split(
    """the garden behind the house|the long road to the sea|a cup of tea|the old library|music and good books|
    a warm coat|the bread from the market|the light in the morning|the trees by the river|a small boat|
    the songs of the choir|a letter from a friend|the first snow|the train to the city"""
)
_QUALITIES = _split(
    "busy|calm|careful|cheerful|curious|friendly|honest|kind|patient|quiet|ready|strong|thoughtful|tired"
)
_NOUNS = _split("choir|city|garden|house|library|market|river|school|station|team|theatre|train|village")
_PLACES = _split(
    "at the market|by the river|in a small town|in the city|near the station|on the farm|at the school"
)
_TIMES = _split("every day|in the summer|in the winter|after work|on Sunday|in the morning|for many years")
#: The last one or two words of a text to what may follow; anything else is followed by one of `_THINGS`.
_AFTER: dict[str, Sequence[str]] = {
    "as": [f"a {job}" for job in _JOBS],
    "a": _JOBS,
    "an": _AN_JOBS,
    "the": _NOUNS,
    **dict.fromkeys(_split("to study|field of|career in"), _FIELDS),
    **dict.fromkeys(_split("team of|group of"), _TEAMS),
    **dict.fromkeys(
        _split("to|should|can|could|will|would|must|may|might|never|always|often|usually"), _VERBS
    ),
    **dict.fromkeys(_split("am|are|be|been|feel|feels|is|rather|seem|seems|so|very|was|were"), _QUALITIES),
}
_FOLLOWERS = (
    "The day was long, and the {job} stayed {quality} until the evening.",
    "{Time} there is time for {thing}, and nobody is in a hurry.",
    "It is a quiet life {place}.",
    "The {job} and the {job} meet {place} {time}.",
    "We talked about {thing}, and there was time to {verb}.",
    "People come {time} to {verb}.",
    "The work {place} is hard, but the {job} is {quality}.",
    "Then it was time for {thing}.",
    "{Time} the {job} would {verb}.",
    "Everyone was {quality}, and the {noun} was full {time}.",
)


@cache
def standard_prose() -> tuple[str, ...]:
    """Return the prose of Python's help topics and of a fixed list of standard modules, one document each."""
    from pydoc_data.topics import topics

    documents = (_prose(text) for text in (*(topics[name] for name in sorted(topics)), *_docstrings()))
    return tuple(document for document in documents if document)


def sentences(texts: Iterable[str], *, rounds: int, rng: np.random.Generator) -> list[str]:
    """Return `rounds` documents for each distinct text: the text, a way to go on, and a few plain sentences.

    The order of `texts` does not matter, and nothing but a text's last two words decides what may follow it.
    """
    ordered = sorted(set(texts))
    return [_document(text, rng) for _ in range(rounds) for text in ordered]


def digest(documents: Sequence[str]) -> str:
    """Return `sha256:` and the digest of a corpus."""
    return "sha256:" + hashlib.sha256("\0".join(documents).encode()).hexdigest()


def _document(text: str, rng: np.random.Generator) -> str:
    first = f"{text.rstrip()} {_continuation(text, rng)}"
    first += f" {_pick(_PLACES + _TIMES, rng)}." if rng.random() < 0.5 else "."
    return " ".join([first, *(_follower(rng) for _ in range(1 + int(rng.geometric(0.2))))])


def _continuation(text: str, rng: np.random.Generator) -> str:
    words = re.sub(r"\W+$", "", text).lower().split()
    for n_words in (2, 1):
        choices = _AFTER.get(" ".join(words[-n_words:]))
        if choices:
            return _pick(choices, rng)
    return _pick(_THINGS, rng)


def _follower(rng: np.random.Generator) -> str:
    sentence = _pick(_FOLLOWERS, rng)
    lists = {
        "{noun}": _NOUNS,
        "{job}": _JOBS,
        "{quality}": _QUALITIES,
        "{thing}": _THINGS,
        "{place}": _PLACES,
        "{time}": _TIMES,
        "{verb}": _VERBS,
        "{Time}": [time[0].upper() + time[1:] for time in _TIMES],
    }
    for slot, words in lists.items():
        while slot in sentence:
            sentence = sentence.replace(slot, _pick(words, rng), 1)
    return sentence


def _pick(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _docstrings() -> Iterator[str]:
    for name in _MODULES:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None or not found.origin.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(Path(found.origin).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""


def _prose(text: str) -> str:
    """Keep the paragraphs of plain words; code, tables and signatures go."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    return " ".join(paragraph for paragraph in paragraphs if _is_prose(paragraph))


def _is_prose(paragraph: str) -> bool:
    if len(paragraph) < _SHORTEST or _CODE.search(paragraph):
        return False
    return len(_LETTERS.findall(paragraph)) >= _SHARE_OF_LETTERS * len(paragraph)
