"""Programs under a process supervisor (supervisord): what runs, how to start it, when it is healthy."""

from kernel_lib.supervise.program import Program, is_ready
from kernel_lib.supervise.supervisord import Supervisor

__all__ = ["Program", "Supervisor", "is_ready"]
