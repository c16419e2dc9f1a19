"""Tokens that must be rejected, by the name of the attack."""

import json
import time
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec

from tests.server.auth.signed_tokens import (
    ABSENT,
    HASHES_BY_ALGORITHM,
    FakeRealm,
    assemble_token,
    build_claims,
    build_es_signer,
    build_hs256_signer,
    build_ps256_signer,
    build_rs_signer,
    encode_base64url,
    sign_nothing,
)

TokenForgery = Callable[[FakeRealm], str]

_OTHER_REALM = FakeRealm()
_EC_KEY = ec.generate_private_key(ec.SECP256R1())
_JWKS_URL = "http://127.0.0.1:9/jwks"


def _replace_header(realm: FakeRealm, **header: object) -> str:
    _, payload, signature = realm.issue_token().split(".")
    return f"{encode_base64url(realm.build_header(**header))}.{payload}.{signature}"


def _replace_payload(realm: FakeRealm) -> str:
    header, _, signature = realm.issue_token().split(".")
    return f"{header}.{encode_base64url(json.dumps(build_claims(sub='root')).encode())}.{signature}"


def _corrupt_signature(realm: FakeRealm) -> str:
    token = realm.issue_token()
    return f"{token[:-20]}{'A' if token[-20] != 'A' else 'B'}{token[-19:]}"


def _sign_payload(realm: FakeRealm, payload: bytes) -> str:
    return assemble_token(realm.build_header(), payload, build_rs_signer(realm.key))


_ALGORITHMS: Mapping[str, TokenForgery] = {
    "alg none": lambda realm: realm.issue_token_with_header(sign_nothing, alg="none") + "AA",
    "alg none without a signature": lambda realm: realm.issue_token_with_header(sign_nothing, alg="none"),
    "alg nOnE": lambda realm: realm.issue_token_with_header(sign_nothing, alg="nOnE") + "AA",
    "alg none with a good signature": lambda realm: realm.issue_token_with_header(alg="none"),
    "alg a list": lambda realm: realm.issue_token_with_header(alg=["RS256"]),
    "alg an object": lambda realm: realm.issue_token_with_header(alg={"RS256": 1}),
    "alg a number": lambda realm: realm.issue_token_with_header(alg=256),
    "alg null": lambda realm: realm.issue_token_with_header(alg=None),
    "alg true": lambda realm: realm.issue_token_with_header(alg=True),
    "alg empty": lambda realm: realm.issue_token_with_header(alg=""),
    "alg missing": lambda realm: realm.issue_token_with_header(alg=ABSENT),
    "alg in lower case": lambda realm: realm.issue_token_with_header(alg="rs256"),
    "alg with a space": lambda realm: realm.issue_token_with_header(alg="RS256 "),
    "HS256 with KEY as base64": lambda realm: realm.issue_token_with_header(
        build_hs256_signer(realm.key_setting.encode()), alg="HS256"
    ),
    "HS256 with KEY as DER": lambda realm: realm.issue_token_with_header(build_hs256_signer(realm.der), alg="HS256"),
    "HS256 with KEY as PEM": lambda realm: realm.issue_token_with_header(build_hs256_signer(realm.pem), alg="HS256"),
    "HS256 with KEY as PEM, stripped": lambda realm: realm.issue_token_with_header(
        build_hs256_signer(realm.pem.strip()), alg="HS256"
    ),
    "HS256 with an empty key": lambda realm: realm.issue_token_with_header(build_hs256_signer(b""), alg="HS256"),
    "RS256 by HMAC with KEY": lambda realm: realm.issue_token_with_header(build_hs256_signer(realm.pem)),
    "RS256 swapped to RS512": lambda realm: _replace_header(realm, alg="RS512"),
    "RS256 named, signed as RS512": lambda realm: realm.issue_token_with_header(
        build_rs_signer(realm.key, HASHES_BY_ALGORITHM["RS512"])
    ),
    "PS256": lambda realm: realm.issue_token_with_header(build_ps256_signer(realm.key), alg="PS256"),
    "PS256 called RS256": lambda realm: realm.issue_token_with_header(build_ps256_signer(realm.key)),
    "ES256": lambda realm: realm.issue_token_with_header(build_es_signer(_EC_KEY), alg="ES256"),
    "ES256 called RS256": lambda realm: realm.issue_token_with_header(build_es_signer(_EC_KEY)),
    "signed by a stranger": lambda _realm: _OTHER_REALM.issue_token(),
    "a key of its own in jwk": lambda realm: realm.issue_token_with_header(
        build_rs_signer(_OTHER_REALM.key),
        jwk={"kty": "RSA", "e": "AQAB", "n": encode_base64url(_encode_modulus(_OTHER_REALM))},
    ),
    "a key of its own in x5c": lambda realm: realm.issue_token_with_header(
        build_rs_signer(_OTHER_REALM.key), x5c=[_OTHER_REALM.key_setting]
    ),
    "a key of its own by jku": lambda realm: realm.issue_token_with_header(
        build_rs_signer(_OTHER_REALM.key), jku=_JWKS_URL
    ),
    "a key of its own by x5u": lambda realm: realm.issue_token_with_header(
        build_rs_signer(_OTHER_REALM.key), x5u=_JWKS_URL
    ),
}


def _encode_modulus(realm: FakeRealm) -> bytes:
    return realm.key.public_key().public_numbers().n.to_bytes(256, "big")


_HEADERS: Mapping[str, TokenForgery] = {
    "crit": lambda realm: realm.issue_token_with_header(crit=["exp"]),
    "crit empty": lambda realm: realm.issue_token_with_header(crit=[]),
    "typ of another kind": lambda realm: realm.issue_token_with_header(typ="secevent+jwt"),
    "typ of another kind as a media type": lambda realm: realm.issue_token_with_header(typ="application/secevent+jwt"),
    "typ of another top-level type": lambda realm: realm.issue_token_with_header(typ="text/at+jwt"),
    "typ with the prefix twice": lambda realm: realm.issue_token_with_header(typ="application/application/jwt"),
    "typ a number": lambda realm: realm.issue_token_with_header(typ=1),
    "typ null": lambda realm: realm.issue_token_with_header(typ=None),
    "header a list": lambda realm: assemble_token(b'["RS256"]', b"{}", build_rs_signer(realm.key)),
    "header null": lambda realm: assemble_token(b"null", b"{}", build_rs_signer(realm.key)),
    "header no JSON": lambda realm: assemble_token(b"{alg:RS256}", b"{}", build_rs_signer(realm.key)),
    "header not UTF-8": lambda realm: assemble_token(b'{"alg":"RS256","x":"\xff"}', b"{}", build_rs_signer(realm.key)),
    "header of 8 kB of [": lambda realm: assemble_token(b"[" * 8_000, b"{}", build_rs_signer(realm.key)),
    "header of 100 kB of [": lambda realm: assemble_token(b"[" * 100_000, b"{}", build_rs_signer(realm.key)),
    "header with a number of 5000 digits": lambda realm: assemble_token(
        b'{"alg":"RS256","x":' + b"9" * 5000 + b"}", json.dumps(build_claims()).encode(), build_rs_signer(realm.key)
    ),
    "header changed after signing": lambda realm: _replace_header(realm, kid="another"),
}

_PAYLOADS: Mapping[str, TokenForgery] = {
    "payload changed after signing": _replace_payload,
    "one letter of the signature changed": _corrupt_signature,
    "signature of another token": lambda realm: (
        realm.issue_token(sub="a").rpartition(".")[0] + "." + realm.issue_token(sub="b").rpartition(".")[2]
    ),
    "payload a list": lambda realm: _sign_payload(realm, b"[]"),
    "payload null": lambda realm: _sign_payload(realm, b"null"),
    "payload no JSON": lambda realm: _sign_payload(realm, b"exp=9999999999"),
    "payload not UTF-8": lambda realm: _sign_payload(realm, b'{"exp":9999999999,"x":"\xff"}'),
    "payload of 8 kB of [": lambda realm: _sign_payload(realm, b"[" * 8_000),
    "payload of 100 kB of [": lambda realm: _sign_payload(realm, b"[" * 100_000),
    "an ID token": lambda realm: realm.issue_token(typ="ID"),
    "a refresh token": lambda realm: realm.issue_token(typ="Refresh"),
    "claim typ a list": lambda realm: realm.issue_token(typ=["Bearer"]),
}


def _forge_claim(name: str, text: str) -> TokenForgery:
    return lambda realm: realm.issue_token_with_raw_claim(name, text)


_TIMES: Mapping[str, TokenForgery] = {
    "expired": lambda realm: realm.issue_token(exp=int(time.time()) - 60),
    "not yet valid": lambda realm: realm.issue_token(nbf=int(time.time()) + 90),
    "issued in the future": lambda realm: realm.issue_token(iat=int(time.time()) + 90),
    "exp missing": lambda realm: realm.issue_token(exp=ABSENT),
    **{
        f"{name} {text[:12]}": _forge_claim(name, text)
        for name in ("exp", "nbf", "iat")
        for text in ("null", "[]", "{}", "1e400", "-1e400", "NaN", "Infinity", '"9999999999"', "true", "9" * 400)
    },
    "exp negative": lambda realm: realm.issue_token(exp=-1),
}

_SHAPES: Mapping[str, TokenForgery] = {
    "no dots": lambda realm: realm.issue_token().replace(".", ""),
    "one dot": lambda realm: realm.issue_token().rpartition(".")[0],
    "three dots": lambda realm: f"{realm.issue_token()}.AAAA",
    "four dots": lambda realm: f"{realm.issue_token()}.AAAA.AAAA",
    "dots alone": lambda _realm: "..",
    "empty signature": lambda realm: realm.issue_token().rpartition(".")[0] + ".",
    "padding": lambda realm: f"{realm.issue_token()}==",
    "base64 with + and /": lambda realm: realm.issue_token().replace("-", "+").replace("_", "/") + "+/",
    "over 16 KiB": lambda realm: realm.issue_token(pad="x" * 12_500),
    "in quotes": lambda realm: f'"{realm.issue_token()}"',
    "a comma after it": lambda realm: f"{realm.issue_token()},",
    "a word": lambda _realm: "x",
}

FORGERIES: Mapping[str, TokenForgery] = {**_ALGORITHMS, **_HEADERS, **_PAYLOADS, **_TIMES, **_SHAPES}
