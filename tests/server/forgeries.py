"""Every token that must be refused, by the name of the attack: made for a realm, signed as well as the attack can."""

import json
import time
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec

from tests.server.tokens import ABSENT, HASHES, Realm, assembled, claims, encoded, es, hs256, ps256, rs, unsigned

Forgery = Callable[[Realm], str]

_STRANGER = Realm()
_CURVE = ec.generate_private_key(ec.SECP256R1())
_JWKS_URL = "http://127.0.0.1:9/jwks"


def _swapped(realm: Realm, **header: object) -> str:
    _, payload, signature = realm.token().split(".")
    return f"{encoded(realm.header(**header))}.{payload}.{signature}"


def _changed_payload(realm: Realm) -> str:
    header, _, signature = realm.token().split(".")
    return f"{header}.{encoded(json.dumps(claims(sub='root')).encode())}.{signature}"


def _flipped(realm: Realm) -> str:
    token = realm.token()
    return f"{token[:-20]}{'A' if token[-20] != 'A' else 'B'}{token[-19:]}"


def _payload(realm: Realm, payload: bytes) -> str:
    return assembled(realm.header(), payload, rs(realm.key))


_ALGORITHMS: Mapping[str, Forgery] = {
    "alg none": lambda realm: realm.headed(unsigned, alg="none") + "AA",
    "alg none without a signature": lambda realm: realm.headed(unsigned, alg="none"),
    "alg nOnE": lambda realm: realm.headed(unsigned, alg="nOnE") + "AA",
    "alg none with a good signature": lambda realm: realm.headed(alg="none"),
    "alg a list": lambda realm: realm.headed(alg=["RS256"]),
    "alg an object": lambda realm: realm.headed(alg={"RS256": 1}),
    "alg a number": lambda realm: realm.headed(alg=256),
    "alg null": lambda realm: realm.headed(alg=None),
    "alg true": lambda realm: realm.headed(alg=True),
    "alg empty": lambda realm: realm.headed(alg=""),
    "alg missing": lambda realm: realm.headed(alg=ABSENT),
    "alg in lower case": lambda realm: realm.headed(alg="rs256"),
    "alg with a space": lambda realm: realm.headed(alg="RS256 "),
    "HS256 with KEY as base64": lambda realm: realm.headed(hs256(realm.setting.encode()), alg="HS256"),
    "HS256 with KEY as DER": lambda realm: realm.headed(hs256(realm.der), alg="HS256"),
    "HS256 with KEY as PEM": lambda realm: realm.headed(hs256(realm.pem), alg="HS256"),
    "HS256 with KEY as PEM, stripped": lambda realm: realm.headed(hs256(realm.pem.strip()), alg="HS256"),
    "HS256 with an empty key": lambda realm: realm.headed(hs256(b""), alg="HS256"),
    "RS256 by HMAC with KEY": lambda realm: realm.headed(hs256(realm.pem)),
    "RS256 swapped to RS512": lambda realm: _swapped(realm, alg="RS512"),
    "RS256 named, signed as RS512": lambda realm: realm.headed(rs(realm.key, HASHES["RS512"])),
    "PS256": lambda realm: realm.headed(ps256(realm.key), alg="PS256"),
    "PS256 called RS256": lambda realm: realm.headed(ps256(realm.key)),
    "ES256": lambda realm: realm.headed(es(_CURVE), alg="ES256"),
    "ES256 called RS256": lambda realm: realm.headed(es(_CURVE)),
    "signed by a stranger": lambda _realm: _STRANGER.token(),
    "a key of its own in jwk": lambda realm: realm.headed(
        rs(_STRANGER.key), jwk={"kty": "RSA", "e": "AQAB", "n": encoded(_modulus(_STRANGER))}
    ),
    "a key of its own in x5c": lambda realm: realm.headed(rs(_STRANGER.key), x5c=[_STRANGER.setting]),
    "a key of its own by jku": lambda realm: realm.headed(rs(_STRANGER.key), jku=_JWKS_URL),
    "a key of its own by x5u": lambda realm: realm.headed(rs(_STRANGER.key), x5u=_JWKS_URL),
}


def _modulus(realm: Realm) -> bytes:
    return realm.key.public_key().public_numbers().n.to_bytes(256, "big")


_HEADERS: Mapping[str, Forgery] = {
    "crit": lambda realm: realm.headed(crit=["exp"]),
    "crit empty": lambda realm: realm.headed(crit=[]),
    "typ of another kind": lambda realm: realm.headed(typ="secevent+jwt"),
    "typ a number": lambda realm: realm.headed(typ=1),
    "typ null": lambda realm: realm.headed(typ=None),
    "header a list": lambda realm: assembled(b'["RS256"]', b"{}", rs(realm.key)),
    "header null": lambda realm: assembled(b"null", b"{}", rs(realm.key)),
    "header no JSON": lambda realm: assembled(b"{alg:RS256}", b"{}", rs(realm.key)),
    "header not UTF-8": lambda realm: assembled(b'{"alg":"RS256","x":"\xff"}', b"{}", rs(realm.key)),
    "header of 8 kB of [": lambda realm: assembled(b"[" * 8_000, b"{}", rs(realm.key)),
    "header of 100 kB of [": lambda realm: assembled(b"[" * 100_000, b"{}", rs(realm.key)),
    "header with a number of 5000 digits": lambda realm: assembled(
        b'{"alg":"RS256","x":' + b"9" * 5000 + b"}", json.dumps(claims()).encode(), rs(realm.key)
    ),
    "header changed after signing": lambda realm: _swapped(realm, kid="another"),
}

_PAYLOADS: Mapping[str, Forgery] = {
    "payload changed after signing": _changed_payload,
    "one letter of the signature changed": _flipped,
    "signature of another token": lambda realm: (
        realm.token(sub="a").rpartition(".")[0] + "." + realm.token(sub="b").rpartition(".")[2]
    ),
    "payload a list": lambda realm: _payload(realm, b"[]"),
    "payload null": lambda realm: _payload(realm, b"null"),
    "payload no JSON": lambda realm: _payload(realm, b"exp=9999999999"),
    "payload not UTF-8": lambda realm: _payload(realm, b'{"exp":9999999999,"x":"\xff"}'),
    "payload of 8 kB of [": lambda realm: _payload(realm, b"[" * 8_000),
    "payload of 100 kB of [": lambda realm: _payload(realm, b"[" * 100_000),
    "an ID token": lambda realm: realm.token(typ="ID"),
    "a refresh token": lambda realm: realm.token(typ="Refresh"),
    "claim typ a list": lambda realm: realm.token(typ=["Bearer"]),
}


def _claim(name: str, text: str) -> Forgery:
    return lambda realm: realm.with_claim_text(name, text)


_TIMES: Mapping[str, Forgery] = {
    "expired": lambda realm: realm.token(exp=int(time.time()) - 60),
    "not yet valid": lambda realm: realm.token(nbf=int(time.time()) + 90),
    "issued in the future": lambda realm: realm.token(iat=int(time.time()) + 90),
    "exp missing": lambda realm: realm.token(exp=ABSENT),
    **{
        f"{name} {text[:12]}": _claim(name, text)
        for name in ("exp", "nbf", "iat")
        for text in ("null", "[]", "{}", "1e400", "-1e400", "NaN", "Infinity", '"9999999999"', "true", "9" * 400)
    },
    "exp negative": lambda realm: realm.token(exp=-1),
}

_SHAPES: Mapping[str, Forgery] = {
    "no dots": lambda realm: realm.token().replace(".", ""),
    "one dot": lambda realm: realm.token().rpartition(".")[0],
    "three dots": lambda realm: f"{realm.token()}.AAAA",
    "four dots": lambda realm: f"{realm.token()}.AAAA.AAAA",
    "dots alone": lambda _realm: "..",
    "empty signature": lambda realm: realm.token().rpartition(".")[0] + ".",
    "padding": lambda realm: f"{realm.token()}==",
    "base64 with + and /": lambda realm: realm.token().replace("-", "+").replace("_", "/") + "+/",
    "over 16 KiB": lambda realm: realm.token(pad="x" * 12_500),
    "in quotes": lambda realm: f'"{realm.token()}"',
    "a comma after it": lambda realm: f"{realm.token()},",
    "a word": lambda _realm: "x",
}

FORGERIES: Mapping[str, Forgery] = {**_ALGORITHMS, **_HEADERS, **_PAYLOADS, **_TIMES, **_SHAPES}
