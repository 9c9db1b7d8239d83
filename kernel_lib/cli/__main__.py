"""``python -m kernel_lib.cli`` is ``tickhub``."""

from kernel_lib.cli import main

if __name__ == "__main__":
    main()
