"""Redaction: replaces known secrets, in each encoding that an upstream may use, and text that looks like a secret."""

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

REDACTED = "***"
# A shorter secret would match parts of harmless words.
MIN_SECRET_CHARACTERS = 6
# How many secrets that were added while the program runs are kept.
MAX_LEARNED_SECRETS = 8
# How far beyond the end of a truncated text to look for the end of a secret that begins before it.
_LOOKAHEAD_CHARACTERS = 4096

# Text that looks like a secret: credentials in URLs and headers, tokens, keys. The patterns of words start with a
# letter and then look back for the start of the word, which is three times as fast as the reverse.
_SECRET_PATTERNS = (
    re.compile(r"://(?P<secret>[^/\s\"'\\@]+)@"),
    re.compile(r"(?i)b(?<=\bb)(earer|asic)\s+(?P<secret>[\w+/=.~-]{8,})"),
    re.compile(r"(?P<secret>eyJ(?<=\beyJ)[\w-]*(\.[\w-]*)*)"),
    re.compile(r"(?P<secret>-----BEGIN [^-]+-----.*?(-----END [^-]+-----|$))", re.DOTALL),
)
# Characters that Go escapes differently from Python in JSON and in HTML.
_GO_JSON_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_GO_HTML_ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&#34;", "'": "&#39;"})
# Characters that JavaScript does not escape in a part of a URL.
_JS_URL_SAFE_CHARACTERS = "!'()*"

# The start and the end of a secret in a text.
_Span = tuple[int, int]


class Redactor:
    """Replaces secrets with stars; safe for concurrent use by threads.

    Servers may repeat what they received, in another encoding. A secret is not recognized if a server repeats only
    a part of it, or encodes it in a way that is not listed below.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._static_secrets = tuple(secrets)
        self._learned_secrets: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._encoded_forms = _list_encoded_forms(self._static_secrets)

    def add_secret(self, secret: str) -> None:
        """Add a secret, such as the new content of a token file; the oldest added one is dropped if there are many."""
        with self._lock:
            other_secrets = tuple(known for known in self._learned_secrets if known != secret)
            self._learned_secrets = (*other_secrets, secret)[-MAX_LEARNED_SECRETS:]
            self._encoded_forms = _list_encoded_forms((*self._static_secrets, *self._learned_secrets))

    def redact(self, text: str, max_characters: int | None = None) -> str:
        """Return the text, truncated to `max_characters` of the original, without secrets.

        A secret that begins before the end of the truncated text is replaced as a whole, wherever it ends.
        """
        forms = self._encoded_forms
        end = len(text) if max_characters is None else max_characters
        scanned = text[: end + max(_LOOKAHEAD_CHARACTERS, len(forms[0]) if forms else 0)]
        return _redact_spans(scanned, [*_find_known_spans(scanned, forms), *_find_pattern_spans(scanned)], end)

    def redact_known(self, text: str) -> str:
        """Return the text without known secrets; text that only looks like a secret stays."""
        return _redact_spans(text, list(_find_known_spans(text, self._encoded_forms)), len(text))

    def may_find_secret_in(self, body: bytes) -> bool:
        r"""Return whether a JSON body may contain a known secret. With \u escapes it may contain any text."""
        return b"\\u" in body or any(form.encode("utf-8", "surrogatepass") in body for form in self._encoded_forms)


def _find_known_spans(text: str, forms: Iterable[str]) -> Iterator[_Span]:
    for form in forms:
        begin = text.find(form)
        while begin >= 0:
            yield begin, begin + len(form)
            begin = text.find(form, begin + 1)


def _find_pattern_spans(text: str) -> Iterator[_Span]:
    for pattern in _SECRET_PATTERNS:
        for match in pattern.finditer(text):
            yield match.span("secret")


def _redact_spans(text: str, spans: list[_Span], end: int) -> str:
    """Return the text before `end`, with stars for each span; overlapping spans count as one."""
    if not spans:
        return text[:end]
    pieces: list[str] = []
    position = -1
    for begin, span_end in sorted(spans):
        if begin >= end:
            break
        if begin > position:
            pieces += (text[max(position, 0) : begin], REDACTED)
        position = max(position, span_end)
    return "".join((*pieces, text[max(position, 0) : end]))


def _list_encoded_forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return all encodings of the secrets, the longest first."""
    forms = {form for secret in secrets for form in _encode_secret(secret) if len(form) >= MIN_SECRET_CHARACTERS}
    return tuple(sorted(forms, key=len, reverse=True))


def _encode_secret(secret: str) -> Iterator[str]:
    data = secret.encode("utf-8", "surrogatepass")
    if len(secret) >= MIN_SECRET_CHARACTERS:
        # UTF-8 decoded as Latin-1, as in a status line, and the reverse.
        misread = (data.decode("latin-1"), secret.encode("latin-1", "replace").decode("utf-8", "replace"))
        for text in dict.fromkeys((secret, *misread)):
            yield from _encode_as_text(text)
        yield from _encode_as_url_part(data)
        yield from _encode_as_python_literal(data)
    yield from _encode_as_base64(data)


def _encode_as_text(text: str) -> Iterator[str]:
    """Yield the encodings of a text in other texts: plain, JSON, Python and HTML."""
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    yield from (text, plain, json.dumps(text)[1:-1], plain.translate(_GO_JSON_ESCAPES), plain.replace("/", "\\/"))
    yield from (html.escape(text), text.translate(_GO_HTML_ESCAPES))
    yield from _encode_as_python_literal(text)


def _encode_as_python_literal(text: str | bytes) -> Iterator[str]:
    """Yield the Python literal without quotes: alone, and in a text that contains both types of quotes."""
    if isinstance(text, str):
        yield from (repr(text)[1:-1], repr("'\"" + text)[4:-1])
    else:
        yield from (repr(text)[2:-1], repr(b"'\"" + text)[5:-1])


def _encode_as_url_part(data: bytes) -> Iterator[str]:
    """Yield the encodings of bytes in a URL."""
    for form in (quote(data, safe=""), quote(data), quote_plus(data), quote(data, safe=_JS_URL_SAFE_CHARACTERS)):
        yield from (form, re.sub("%..", lambda match: match[0].lower(), form))


def _encode_as_base64(data: bytes) -> Iterator[str]:
    """Yield the base64 encodings of bytes: alone, and their constant part within other bytes, for each offset."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(data).decode()
        yield from (encoded, encoded.rstrip("="))
        for offset in range(3):
            # A letter encodes six bits, so the first and last letters also depend on the neighbors.
            first, last = -(-8 * offset // 6), 8 * (offset + len(data)) // 6
            yield encode(bytes(offset) + data).decode()[first:last]


# Replaces only text that looks like a secret.
PATTERN_REDACTOR = Redactor()
