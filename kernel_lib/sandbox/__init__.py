"""Where a tenant's code runs: a bubblewrap container without network, host files or the platform's environment.

What the machine can enforce is told by :func:`capabilities`; a machine that cannot isolate starts nothing
unless the caller says in so many words that the code is trusted.
"""

from kernel_lib.sandbox.bubblewrap import python_mounts
from kernel_lib.sandbox.capabilities import Capabilities, capabilities
from kernel_lib.sandbox.cgroup import Usage
from kernel_lib.sandbox.process import SandboxProcess, adopt, clear, start
from kernel_lib.sandbox.remembered import end_remembered, forget, remember
from kernel_lib.sandbox.spec import SandboxSpec

__all__ = [
    "Capabilities",
    "SandboxProcess",
    "SandboxSpec",
    "Usage",
    "adopt",
    "capabilities",
    "clear",
    "end_remembered",
    "forget",
    "python_mounts",
    "remember",
    "start",
]
