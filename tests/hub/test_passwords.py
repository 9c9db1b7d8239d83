"""Passwords are stored as argon2id only, and guessing is slow and limited."""

import pytest

from hub.attempts import Attempts
from hub.passwords import USERNAME, check_password, hash_password, new_password
from kernel_lib.config import Secret


def test_a_password_fits_its_own_hash_only() -> None:
    password = new_password()
    stored = hash_password(password)
    assert stored.reveal().startswith("$argon2id$")
    assert password.reveal() not in stored.reveal()
    assert check_password(stored, password)
    assert not check_password(stored, Secret(password.reveal() + "x"))
    assert not check_password(stored, Secret(""))
    assert not check_password(None, password)
    assert not check_password(Secret("no hash"), password)
    assert not check_password(stored, Secret("x" * 100_000))


@pytest.mark.parametrize(
    "name", ["", "A", "Quant", "1a", "a b", "a/b", "../x", "a%2e", "é", "a\n", "a" * 41, "ａ", "admin\u200b"]
)
def test_other_spellings_are_nobody(name: str) -> None:
    assert USERNAME.fullmatch(name) is None


def test_failures_run_out_of_the_window() -> None:
    attempts = Attempts(limit=3, window_s=60.0)
    for at in (0.0, 10.0, 20.0):
        assert attempts.wait_s("x", now_s=at) == 0.0
        attempts.failed("x", now_s=at)
    assert attempts.wait_s("x", now_s=21.0) == 39.0
    assert attempts.wait_s("y", now_s=21.0) == 0.0
    assert attempts.wait_s("x", now_s=61.0) == 0.0
    attempts.failed("x", now_s=61.0)
    attempts.succeeded("x")
    assert attempts.wait_s("x", now_s=62.0) == 0.0


def test_made_up_names_do_not_fill_the_memory() -> None:
    attempts = Attempts(limit=1, window_s=60.0)
    for number in range(10_050):
        attempts.failed(str(number), now_s=0.0)
    assert attempts.wait_s("0", now_s=1.0) == 0.0
    assert attempts.wait_s("10049", now_s=1.0) == 59.0
