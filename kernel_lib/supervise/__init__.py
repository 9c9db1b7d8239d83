"""Programs under a process supervisor (supervisord): what runs, how to start it, when it is healthy."""

from kernel_lib.supervise.ended import Ended, ended_programs
from kernel_lib.supervise.program import Program, is_ready
from kernel_lib.supervise.supervisord import Supervisor

__all__ = ["Ended", "Program", "Supervisor", "ended_programs", "is_ready"]
