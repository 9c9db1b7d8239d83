"""The command line ``tickhub``: one file a group of commands; heavy imports happen inside the command."""

from kernel_lib.cli.main import main

__all__ = ["main"]
