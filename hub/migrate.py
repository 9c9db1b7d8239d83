"""Bring the accounts database to the newest schema: ``python -m hub.migrate``.

The login in the URL must be allowed to create roles and the database (the embedded server's ``postgres`` is).
Tables belong to ``tickhub_owner``, who cannot log in; services act as ``tickhub_app``, who owns nothing and cannot
pass row-level security.
"""

import os
import sys
import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import conninfo, sql
from sqlalchemy import create_engine, pool

from kernel_lib.config import Home, StoreUrls
from kernel_lib.errors import Misconfigured, TickhubError

__all__ = ["migrate"]

# One migration at a time, whoever starts it: any number that nobody else uses.
_LOCK = 0x7469636B
_START_S = 60.0
_ROLES = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tickhub_owner') THEN
        CREATE ROLE tickhub_owner NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tickhub_app') THEN
        CREATE ROLE tickhub_app LOGIN NOSUPERUSER NOBYPASSRLS CONNECTION LIMIT 40;
    END IF;
END $$;
GRANT tickhub_owner TO CURRENT_USER;
GRANT tickhub_app TO CURRENT_USER;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA IF NOT EXISTS tickhub AUTHORIZATION tickhub_owner;
REVOKE ALL ON SCHEMA tickhub FROM PUBLIC;
GRANT USAGE ON SCHEMA tickhub TO tickhub_app;
"""


def migrate(url: str) -> None:
    """Create the database if it is missing, the roles, and every table up to the newest revision; quick when done.

    Raises
    ------
    Misconfigured
        The server refuses the login, or the login may not create what is missing.
    """
    try:
        _create_database(url)
        with psycopg.connect(url, autocommit=True) as guard:
            guard.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            guard.execute(_ROLES)
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
            engine = create_engine("postgresql+psycopg://", creator=lambda: _as_owner(url), poolclass=pool.NullPool)
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            engine.dispose()
    except psycopg.Error as error:
        raise Misconfigured(
            f"the accounts database must accept migrations, it answered: {error}; the login in TICKHUB_ACCOUNTS_URL "
            "must exist and be allowed to create roles and tables"
        ) from error


def _as_owner(url: str) -> psycopg.Connection:
    connection = psycopg.connect(url)
    connection.execute("SET ROLE tickhub_owner")
    connection.commit()
    return connection


def _create_database(url: str) -> None:
    parts = conninfo.conninfo_to_dict(url)
    name = str(parts.get("dbname", "postgres"))
    with _when_started(conninfo.make_conninfo(url, dbname="postgres")) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _when_started(url: str) -> psycopg.Connection:
    # The socket takes connections a moment before the server does, at a start and longer after a crash.
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError as error:
            if "starting up" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main() -> None:
    try:
        migrate(StoreUrls.from_environ(Home.from_environ(), os.environ).accounts)
    except TickhubError as error:
        sys.exit(f"tickhub: {error}")


if __name__ == "__main__":
    main()
