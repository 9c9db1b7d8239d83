"""The demo's people: ``python -m hub.demo [--json] [--reset-passwords]`` prints each new password once.

Tenant ``demo`` (pro) has ``quant``, ``trader`` and ``admin``; tenant ``other`` (free) has ``outsider``.
"""

import argparse
import json
import os
import sys

from hub.tenants import add_tenant, add_user, reset_password
from kernel_lib.config import Home, Secret, StoreUrls
from kernel_lib.errors import Refused, TickhubError
from kernel_lib.stores.accounts import Accounts, PostgresAccounts, Role

__all__ = ["PEOPLE", "create_demo"]

TENANTS = {"demo": "pro", "other": "free"}
PEOPLE: tuple[tuple[str, str, Role], ...] = (
    ("demo", "quant", "quant"),
    ("demo", "trader", "trader"),
    ("demo", "admin", "admin"),
    ("other", "outsider", "quant"),
)


def create_demo(accounts: Accounts, *, reset_passwords: bool = False) -> dict[str, Secret]:
    """Make the demo's tenants and users; give the passwords that were made just now, by user name."""
    for tenant, tier in TENANTS.items():
        add_tenant(accounts, tenant, tier)
    made: dict[str, Secret] = {}
    for tenant, name, role in PEOPLE:
        try:
            made[name] = add_user(accounts, tenant, name, role)
        except Refused:
            # Whoever was removed stays removed.
            if reset_passwords and name in {user.name for user in accounts.users(tenant)}:
                made[name] = reset_password(accounts, tenant, name)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hub.demo", description="Create the demo's tenants and users.")
    parser.add_argument("--json", action="store_true", help="one JSON object: user name to password")
    parser.add_argument("--reset-passwords", action="store_true", help="new passwords for users that exist, too")
    chosen = parser.parse_args()
    try:
        accounts = PostgresAccounts(StoreUrls.from_environ(Home.from_environ(), os.environ).accounts)
        try:
            made = create_demo(accounts, reset_passwords=chosen.reset_passwords)
        finally:
            accounts.close()
    except TickhubError as error:
        sys.exit(f"tickhub: {error}")
    shown = {name: password.reveal() for name, password in made.items()}
    if chosen.json:
        sys.stdout.write(json.dumps(shown) + "\n")
    elif shown:
        sys.stdout.write("".join(f"{name:10} {password}\n" for name, password in shown.items()))
    else:
        sys.stdout.write("All demo users exist; --reset-passwords gives them new passwords.\n")


if __name__ == "__main__":
    main()
