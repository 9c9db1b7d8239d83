"""A bundle runs only when it is whole, approved by another person, for this tenant, now."""

from types import SimpleNamespace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel_lib.config import Home
from kernel_lib.errors import BadData, Refused
from kernel_lib.market.instrument import EURUSD
from kernel_lib.passport import (
    Approval,
    Passport,
    build_passport,
    decode_passport,
    load_approved,
    sign_approval,
    store_approved,
    verify,
    withdraw_approved,
)
from kernel_lib.trading.account import Costs, RiskLimits

NOW = 1_700_000_000_000_000_000


def passport_of(**changes: object) -> Passport:
    fields = {
        "name": "cross",
        "source": "raise SystemExit('never run')",
        "entry": "cross",
        "params": {"b": 2, "a": 1.0},
    }
    strategy = SimpleNamespace(**(fields | {"features": {"fast": "ema(12)"}, "channels": ()} | changes))
    return build_passport(strategy, instrument=EURUSD, author="quinn", tenant="acme", created_ns=NOW)


def approval_of(passport: Passport, **changes: object) -> Approval:
    fields: dict[str, object] = {
        "hash": passport.hash, "tenant": "acme", "author": "quinn", "approver": "ada", "mode": "paper",
        "limits": RiskLimits(), "at_ns": NOW,
    }  # fmt: skip
    return Approval(**(fields | changes))  # type: ignore[arg-type]


def refusal(signer: Ed25519PrivateKey, passport: Passport, approval: Approval, **changes: object) -> str:
    content = msgspec.msgpack.encode(approval, order="sorted")
    fields: dict[str, object] = {
        "bundle": passport.encode(), "approval": content, "signature": signer.sign(b"tickhub approval\0" + content),
        "key": signer.public_key(), "tenant": "acme", "now_ns": NOW + 1,
    }  # fmt: skip
    with pytest.raises(Refused) as caught:
        verify(**(fields | changes))  # type: ignore[arg-type]
    return caught.value.code


def test_approved_bundle_passes_and_its_source_is_not_run() -> None:
    key = Ed25519PrivateKey.generate()
    passport = passport_of()
    content, signature = sign_approval(approval_of(passport), key)
    approved = verify(passport.encode(), content, signature, key.public_key(), tenant="acme", now_ns=NOW)
    assert approved.passport == passport
    assert approved.approval.limits == RiskLimits()


def test_order_of_parameters_does_not_change_the_hash_and_any_content_does() -> None:
    assert passport_of(params={"a": 1.0, "b": 2}).hash == passport_of().hash
    assert passport_of(params={"a": 1.0, "b": 3}).hash != passport_of().hash
    assert passport_of(source="pass").hash != passport_of().hash


def test_each_broken_promise_has_its_code() -> None:
    key, passport = Ed25519PrivateKey.generate(), passport_of()
    good = approval_of(passport)
    other = Ed25519PrivateKey.generate().public_key()
    assert refusal(key, passport, good, key=other) == "bad_signature"
    assert refusal(key, passport, good, signature=b"") == "bad_signature"
    assert refusal(key, passport, good, bundle=passport_of(source="pass").encode()) == "hash_mismatch"
    assert refusal(key, passport, good, tenant="rival") == "wrong_tenant"
    assert refusal(key, passport, approval_of(passport, approver="quinn")) == "author_is_approver"
    assert refusal(key, passport, approval_of(passport, author="mallory")) == "wrong_author"
    assert refusal(key, passport, approval_of(passport, expires_ns=NOW)) == "expired"
    assert refusal(key, passport, approval_of(passport, at_ns=NOW + 60 * 10**9)) == "not_yet_valid"
    assert refusal(key, passport, approval_of(passport, mode="mt5")) == "no_agent"
    assert refusal(key, passport, approval_of(passport, version=99)) == "approval_version"


def test_author_cannot_sign_an_own_approval() -> None:
    passport = passport_of()
    with pytest.raises(Refused, match="another person"):
        sign_approval(approval_of(passport, approver="quinn"), Ed25519PrivateKey.generate())


def test_newer_foreign_and_noncanonical_bundles_are_refused() -> None:
    fields = msgspec.to_builtins(passport_of())
    for changed, code in (
        (fields | {"version": 3}, "bundle_version"),
        (fields | {"version": 1}, "bundle_version"),
        (fields | {"surprise": 1}, "bundle_invalid"),
        (fields | {"entry": "os.system"}, "bundle_invalid"),
        (dict(reversed(fields.items())), "bundle_not_canonical"),
    ):
        with pytest.raises(Refused) as caught:
            decode_passport(msgspec.msgpack.encode(changed))
        assert caught.value.code == code
    for garbage in (b"", b"\xc1", b"x" * 100, bytes(2 << 20)):
        with pytest.raises(Refused):
            decode_passport(garbage)


def test_whole_numbers_where_fractions_may_stand_are_made_canonical() -> None:
    strategy = SimpleNamespace(channels=(), name="cross", source="pass", entry="cross", params={}, features={})
    passport = build_passport(
        strategy, instrument=EURUSD, author="quinn", tenant="acme", created_ns=NOW, costs=Costs(latency_ms=40)
    )
    assert decode_passport(passport.encode()) == passport


def test_strategy_without_source_cannot_be_promoted() -> None:
    with pytest.raises(BadData, match="source text must be known"):
        passport_of(source="")


def test_stored_bundle_comes_back_until_withdrawn(home: Home) -> None:
    key, passport = Ed25519PrivateKey.generate(), passport_of()
    content, signature = sign_approval(approval_of(passport), key)
    store_approved(home, passport.encode(), content, signature)
    (stored,) = load_approved(home, "acme")
    assert (stored.hash, stored.bundle, stored.approval, stored.signature) == (
        passport.hash, passport.encode(), content, signature,
    )  # fmt: skip
    assert list(load_approved(home, "rival")) == []
    assert withdraw_approved(home, "acme", passport.hash)
    assert not withdraw_approved(home, "acme", passport.hash)
    assert list(load_approved(home, "acme")) == []


@pytest.mark.parametrize("tenant", ["../other", "", "a/b"])
def test_tenant_name_cannot_leave_the_directory(home: Home, tenant: str) -> None:
    with pytest.raises(BadData):
        list(load_approved(home, tenant))


def test_an_approval_holds_from_ten_seconds_before_it_was_made_until_it_expires() -> None:
    key, passport = Ed25519PrivateKey.generate(), passport_of()
    until = NOW + 3_600 * 10**9
    good = approval_of(passport, expires_ns=until)
    content, signature = sign_approval(good, key)
    for now_ns in (NOW - 10 * 10**9, NOW, until - 1):
        assert verify(passport.encode(), content, signature, key.public_key(), tenant="acme", now_ns=now_ns)
    assert refusal(key, passport, good, now_ns=NOW - 10 * 10**9 - 1) == "not_yet_valid"
    assert refusal(key, passport, good, now_ns=until) == "expired"


def test_what_only_paper_can_carry_out_is_approved_for_paper_only() -> None:
    key = Ed25519PrivateKey.generate()
    passport = msgspec.structs.replace(passport_of(), evidence={"paper_only": "resting orders"})
    assert refusal(key, passport, approval_of(passport, mode="mt5", agent="pc1")) == "paper_only"
    content, signature = sign_approval(approval_of(passport), key)
    assert verify(passport.encode(), content, signature, key.public_key(), tenant="acme", now_ns=NOW)
    free = passport_of()
    content, signature = sign_approval(approval_of(free, mode="mt5", agent="pc1"), key)
    assert verify(free.encode(), content, signature, key.public_key(), tenant="acme", now_ns=NOW)


@pytest.mark.parametrize("digest", ["../../../x", "0" * 63, "0" * 65, "G" * 64, "A" * 64, ""])
def test_a_withdrawal_names_a_hash_and_nothing_else(home: Home, digest: str) -> None:
    with pytest.raises(BadData, match="64 hex digits"):
        withdraw_approved(home, "acme", digest)
