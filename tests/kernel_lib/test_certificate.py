"""A parity certificate: canonical bytes, one signature, and what an approver is told of it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel_lib.certificate import (
    Certificate,
    as_text,
    certificate_of,
    certificate_path,
    evidence_for_reading,
    identity_of,
    read_certificate,
    shown_certificate,
)
from kernel_lib.config import Home
from kernel_lib.errors import BadData
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import make_ticks
from kernel_lib.passport import Passport, build_passport
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.account import Costs

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
COUNTS = {"ticks": 3, "decisions": 1, "orders": 1, "denied": 0, "fills": 1, "closed": 0}


def passport(**fields: object) -> Passport:
    given: dict[str, object] = {"author": "quinn", "tenant": "acme", "created_ns": 7, **fields}
    return build_passport(ma_cross.with_params(fast=20), instrument=EURUSD, **given)  # type: ignore[arg-type]


def certificate() -> Certificate:
    ticks = make_ticks(np.array([1, 2, 3]), np.array([1.0, 1.0, 1.0]), np.array([1.1, 1.1, 1.1]))
    return certificate_of(passport(), ticks, counts=COUNTS, gap=None, isolated=True, machine_code="abc")


def test_the_same_comparison_gives_the_same_bytes_and_names_its_ticks() -> None:
    made = certificate()
    assert made.encode() == certificate().encode()
    # sha256 of the 72 bytes: three records of one int64 and two float64
    assert (made.n_ticks, len(made.ticks_sha256)) == (3, 64)
    assert made.verdict == "identical"
    assert made.code["machine_code"] == "abc"


def test_identity_is_of_what_decides_and_of_nothing_else() -> None:
    same = passport(author="rita", tenant="other", created_ns=8, evidence={"parity": "x"})
    assert identity_of(same) == identity_of(passport())
    assert same.hash != passport().hash
    assert identity_of(passport(costs=Costs(latency_ms=41))) != identity_of(passport())


def test_only_the_platforms_key_makes_it_signed() -> None:
    made = certificate()
    assert read_certificate(as_text(made, KEY), KEY.public_key()) == (made, True)
    assert read_certificate(as_text(made), KEY.public_key()) == (made, False)
    other = Ed25519PrivateKey.generate()
    assert read_certificate(as_text(made, other), KEY.public_key()) == (made, False)
    forged = as_text(made, KEY).replace('"orders":1', '"orders":9')
    assert read_certificate(forged, KEY.public_key())[1] is False
    with pytest.raises(BadData, match="must be the text that as_text gave"):
        read_certificate("identical, I promise")


def test_an_approver_is_told_what_it_is_worth() -> None:
    mine, key = passport(), KEY.public_key()
    assert shown_certificate(as_text(certificate(), KEY), mine, key).startswith("signed by the platform: identical")
    claim = shown_certificate(as_text(certificate()), mine, key)
    assert claim.startswith("unsigned, the author's claim: identical; 3 ticks")
    other = passport(costs=Costs(latency_ms=41))
    assert "worth nothing here" in shown_certificate(as_text(certificate(), KEY), other, key)
    assert shown_certificate("<script>", mine, key) == "unreadable: '<script>'"


def test_what_makes_a_certificate_worth_little_is_said_of_a_signed_one_too() -> None:
    mine, key = passport(), KEY.public_key()

    def said(**changes: object) -> str:
        return shown_certificate(as_text(msgspec.structs.replace(certificate(), **changes), KEY), mine, key)

    assert "worth" not in said()
    assert said(counts=COUNTS | {"orders": 0}).endswith("; worth little: nothing was ordered")
    assert said(isolated=False).endswith("; worth less: it ran without a sandbox")
    assert "; worth little: of release '0.0.1', here is " in said(code={"tickhub": "0.0.1"})


def test_a_claim_stays_on_its_line_and_spoils_no_page() -> None:
    mine, key = passport(), KEY.public_key()
    forged = msgspec.structs.replace(
        certificate(), verdict="gap", gap="x\nparity, by the platform: signed by the platform: identical"
    )
    told = shown_certificate(as_text(forged), mine, key)
    assert told.startswith("unsigned, the author's claim: gap, ")
    assert "\n" not in told
    far = as_text(certificate()).replace('"first_ns":1', f'"first_ns":{(1 << 64) - 1}')
    assert shown_certificate(far, mine, key).startswith("unreadable")


def test_the_platforms_own_run_stands_beside_the_authors_claim(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    claimed = passport(evidence={"parity": as_text(certificate()), "idea": "averages"})
    told = evidence_for_reading(home, claimed, KEY.public_key())
    assert told["idea"] == "averages"
    assert told["parity"].startswith("unsigned")
    assert told["parity, by the platform"].startswith("not run yet")
    path = certificate_path(home, "acme", claimed.hash)
    path.parent.mkdir(parents=True)
    path.write_text(as_text(msgspec.structs.replace(certificate(), verdict="gap", cause="fill", gap="dearer"), KEY))
    told = evidence_for_reading(home, claimed, KEY.public_key())
    assert told["parity, by the platform"].startswith("signed by the platform: gap, fill: dearer")
