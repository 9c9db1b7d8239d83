"""The program inside the sandbox: ``python -I strategy_child.py SOURCE SINK``, its ends of the pipes to the desk.

It lays out the platform's compiled code, which is looked for when it is imported, and then answers
(:mod:`live_engine.strategy_answers`) until the desk ends.
"""

import sys

from kernel_lib.sandbox.laid_out import lay_out_machine_code


def main() -> None:
    """Answer frames until the line closes."""
    source, sink = map(int, sys.argv[1:])
    lay_out_machine_code()
    from live_engine.strategy_answers import Answers
    from live_engine.strategy_line import Line

    Answers(Line(source, sink)).run()


if __name__ == "__main__":
    main()
