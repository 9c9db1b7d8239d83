"""The program inside the sandbox: ``python -I strategy_child.py FD``, where FD is its end of the socket pair.

It lays out the platform's compiled code, which is looked for when it is imported, and then answers
(:mod:`live_engine.strategy_answers`) until the desk ends.
"""

import socket
import sys

from kernel_lib.sandbox.laid_out import lay_out_machine_code


def main() -> None:
    """Answer frames until the line closes."""
    connected = socket.socket(fileno=int(sys.argv[1]))
    lay_out_machine_code()
    from live_engine.strategy_answers import Answers

    Answers(connected).run()


if __name__ == "__main__":
    main()
