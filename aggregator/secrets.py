"""What may never be told: the secrets that are known, in whatever form they come back, and what looks like one."""

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
# A shorter secret would be found in the middle of harmless words.
SHORTEST = 6
# Of those that change while the program runs, so many are remembered.
MOST_LEARNT = 8
# How far behind a cut it is looked for the end of what begins before it.
_LOOK_AHEAD = 4096

# Whatever nobody may read, known or not: credentials in a URL, those of a header, tokens, keys. Each begins with a
# letter to look for, and then looks back whether a word begins there: the other way round takes three times as long.
_SHAPES = (
    re.compile(r"://(?P<secret>[^/\s\"'\\@]+)@"),
    re.compile(r"(?i)b(?<=\bb)(earer|asic)\s+(?P<secret>[\w+/=.~-]{8,})"),
    re.compile(r"(?P<secret>eyJ(?<=\beyJ)[\w-]*(\.[\w-]*)*)"),
    re.compile(r"(?P<secret>-----BEGIN [^-]+-----.*?(-----END [^-]+-----|$))", re.DOTALL),
)
# What Go writes differently within JSON, and within HTML.
_IN_GO_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_IN_GO_HTML = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&#34;", "'": "&#39;"})
# What JavaScript leaves as it is in a part of a URL.
_PLAIN_IN_URLS = "!'()*"

# Where a text has such a part, from its first character to behind its last.
_Span = tuple[int, int]


class Secrets:
    """Puts stars in the place of secrets; for several threads at once.

    An upstream may repeat what it was sent, as it is or as some program wrote it. Told in part, by an upstream that
    cuts what it repeats, or in a form that is not among those below, a secret is not recognized.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = tuple(known)
        self._learnt: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._forms = _forms_of(self._known)

    def learn(self, secret: str) -> None:
        """Know one more secret from now on, such as a token whose file has changed, until many newer ones came."""
        with self._lock:
            others = tuple(known for known in self._learnt if known != secret)
            self._learnt = (*others, secret)[-MOST_LEARNT:]
            self._forms = _forms_of((*self._known, *self._learnt))

    def hide(self, text: str, most: int | None = None) -> str:
        """Return a text without secrets: the whole, or what its first `most` characters say.

        What begins before the end of these is found and hidden whole, wherever it ends: no part of it is left there.
        """
        forms = self._forms
        end = len(text) if most is None else most
        seen = text[: end + max(_LOOK_AHEAD, len(forms[0]) if forms else 0)]
        return _starred(seen, [*_known_in(seen, forms), *_shaped_in(seen)], end)

    def hide_known(self, text: str) -> str:
        """Return a text without the secrets that are known, and with all that only looks like one."""
        return _starred(text, list(_known_in(text, self._forms)), len(text))

    def may_be_in(self, body: bytes) -> bool:
        r"""Return whether JSON may hold a secret that is known; with \u in it any text may stand there."""
        return b"\\u" in body or any(form.encode("utf-8", "surrogatepass") in body for form in self._forms)


def _known_in(text: str, forms: Iterable[str]) -> Iterator[_Span]:
    for form in forms:
        at = text.find(form)
        while at >= 0:
            yield at, at + len(form)
            at = text.find(form, at + 1)


def _shaped_in(text: str) -> Iterator[_Span]:
    for shape in _SHAPES:
        for found in shape.finditer(text):
            yield found.span("secret")


def _starred(text: str, spans: list[_Span], end: int) -> str:
    """Return what stands before `end`, with stars for each part, and for those that overlap once."""
    if not spans:
        return text[:end]
    told: list[str] = []
    at = -1
    for begin, behind in sorted(spans):
        if begin >= end:
            break
        if begin > at:
            told += (text[max(at, 0) : begin], HIDDEN)
        at = max(at, behind)
    return "".join((*told, text[max(at, 0) : end]))


def _forms_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return all that is looked for, the longest first."""
    found = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
    return tuple(sorted(found, key=len, reverse=True))


def _forms(secret: str) -> Iterator[str]:
    data = secret.encode("utf-8", "surrogatepass")
    if len(secret) >= SHORTEST:
        # Two ways to take bytes for letters that they are not: UTF-8 for Latin-1, as in a status line, and the reverse.
        misread = (data.decode("latin-1"), secret.encode("latin-1", "replace").decode("utf-8", "replace"))
        for text in dict.fromkeys((secret, *misread)):
            yield from _written(text)
        yield from _quoted(data)
        yield from _in_python(data)
    yield from _in_base64(data)


def _written(text: str) -> Iterator[str]:
    """Yield a text as it stands within other texts: plain, in JSON, in Python's own form, in HTML."""
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    yield from (text, plain, json.dumps(text)[1:-1], plain.translate(_IN_GO_JSON), plain.replace("/", "\\/"))
    yield from (html.escape(text), text.translate(_IN_GO_HTML))
    yield from _in_python(text)


def _in_python(text: str | bytes) -> Iterator[str]:
    """Yield what stands between the quotes of Python's own form, alone and where both kinds of quotes stand beside."""
    if isinstance(text, str):
        yield from (repr(text)[1:-1], repr("'\"" + text)[4:-1])
    else:
        yield from (repr(text)[2:-1], repr(b"'\"" + text)[5:-1])


def _quoted(data: bytes) -> Iterator[str]:
    """Yield bytes as they stand in a URL."""
    for form in (quote(data, safe=""), quote(data), quote_plus(data), quote(data, safe=_PLAIN_IN_URLS)):
        yield from (form, re.sub("%..", lambda found: found[0].lower(), form))


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield bytes in base64: alone, and what is the same of it wherever in others they stand."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(data).decode()
        yield from (alone, alone.rstrip("="))
        for before in range(3):
            # A letter tells six bits: the first and the last ones tell of neighbours, too.
            first, behind = -(-8 * before // 6), 8 * (before + len(data)) // 6
            yield encode(bytes(before) + data).decode()[first:behind]


# Hides what looks like a secret, where none is known.
NONE_KNOWN = Secrets()
