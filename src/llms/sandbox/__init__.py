"""Runs programs that nobody has read: in namespaces of their own, with limits, without network, home or neighbours.

    Sandbox   run(files, commands) -> Ran; never raises for what a program does
    SandboxLimits what a program may use
    tester    tests in one process, the program under test in another
    probe     why this machine cannot isolate, or None

A program sees a read-only system, one private folder of limited size, no other process, no network, and a clean
environment; everything it started is dead when it ends. Isolation is by bubblewrap where an ordinary user has it installed,
else by the kernel's namespaces directly; started as root, programs run under an unprivileged uid. What cannot be isolated is
refused, unless the user asks for `isolate=False`: then only the limits hold.
"""

from .limits import Ran, SandboxLimits
from .run import Sandbox, SandboxUnavailable, probe

__all__ = ["Ran", "Sandbox", "SandboxLimits", "SandboxUnavailable", "probe"]
