"""Who may sign, how long a token holds, and for whom: each at its very edge."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel_lib.config import Home
from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.keys import create_keys, issue_token, read_private_key, read_public_key, verify_token

NOW_S = 1_700_000_000
KEY = Ed25519PrivateKey.generate()


def told(key: Any = KEY, algorithm: str = "EdDSA", *, without: str = "", **changes: Any) -> str:
    """A token as the platform would sign it, but for the changes."""
    claims = {
        "iss": "tickhub", "sub": "pc1", "tenant": "acme", "aud": "bridge", "jti": "x",
        "iat": NOW_S, "exp": NOW_S + 3600,
    } | changes  # fmt: skip
    claims.pop(without, None)
    return str(jwt.encode(claims, key, algorithm=algorithm))


def refusal(token: str, *, now_s: int = NOW_S, audience: str = "bridge") -> str:
    with pytest.raises(Refused) as caught:
        verify_token(KEY.public_key(), token, audience=audience, now_s=now_s)
    return caught.value.code


def test_a_token_says_who_for_whom_and_until_when() -> None:
    token = issue_token(KEY, subject="pc1", tenant="acme", audience="bridge", now_s=NOW_S, lifetime_s=3600)
    claims = verify_token(KEY.public_key(), token.reveal(), audience="bridge", now_s=NOW_S)
    assert (claims.subject, claims.tenant, claims.audience, claims.expires_s) == ("pc1", "acme", "bridge", NOW_S + 3600)
    again = issue_token(KEY, subject="pc1", tenant="acme", audience="bridge", now_s=NOW_S, lifetime_s=3600)
    assert token.reveal() != again.reveal()  # each can be told from every other


@pytest.mark.parametrize("now_s", [NOW_S - 10, NOW_S, NOW_S + 3600 + 10])
def test_a_token_holds_from_its_issue_to_its_end_and_ten_seconds_about(now_s: int) -> None:
    assert verify_token(KEY.public_key(), told(), audience="bridge", now_s=now_s).subject == "pc1"


def test_a_token_does_not_hold_before_or_after() -> None:
    assert refusal(told(), now_s=NOW_S - 11) == "token_invalid"
    assert refusal(told(), now_s=NOW_S + 3600 + 11) == "token_expired"


def test_a_token_holds_for_four_hundred_days_at_the_most() -> None:
    longest = 400 * 86_400
    assert verify_token(KEY.public_key(), told(exp=NOW_S + longest), audience="bridge", now_s=NOW_S)
    assert refusal(told(exp=NOW_S + longest + 1)) == "token_invalid"


def test_a_token_of_another_key_audience_or_issuer_is_foreign() -> None:
    assert refusal(told(Ed25519PrivateKey.generate())) == "token_foreign"
    assert refusal(told(), audience="control") == "token_foreign"
    assert refusal(told(aud="control")) == "token_foreign"
    assert refusal(told(iss="other")) == "token_foreign"


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub", "jti", "tenant"])
def test_a_token_lacks_nothing(claim: str) -> None:
    assert refusal(told(without=claim)) == "token_invalid"


def test_a_token_signed_in_another_way_or_not_at_all_is_refused() -> None:
    assert refusal(told("a secret that is long enough for this", "HS256")) == "token_invalid"
    assert refusal(told(None, "none")) == "token_invalid"
    assert refusal("garbage") == "token_invalid"
    assert refusal("") == "token_invalid"


def test_the_private_half_is_the_owner_s_alone_and_is_made_once(home: Home) -> None:
    create_keys(home)
    private, public = home / "keys/platform.ed25519", home / "run/platform.pub"
    assert (private.stat().st_mode & 0o777, public.stat().st_mode & 0o777) == (0o600, 0o644)
    before = private.read_bytes()
    create_keys(home)
    assert private.read_bytes() == before
    read_public_key(home).verify(read_private_key(home).sign(b"words"), b"words")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_private_half_that_others_can_read_or_write_is_refused(home: Home, mode: int) -> None:
    create_keys(home)
    (home / "keys/platform.ed25519").chmod(mode)
    with pytest.raises(Misconfigured, match="by its owner only"):
        read_private_key(home)


def test_keys_of_another_kind_or_none_are_refused(home: Home) -> None:
    with pytest.raises(Misconfigured, match="must be at"):
        read_private_key(home)
    with pytest.raises(Misconfigured, match="must be at"):
        read_public_key(home)
    create_keys(home)
    other = generate_private_key(SECP256R1())
    (home / "keys/platform.ed25519").write_bytes(
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (home / "run/platform.pub").write_bytes(
        other.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    for read in (read_private_key, read_public_key):
        with pytest.raises(Misconfigured, match="must hold an Ed25519 key"):
            read(home)
