"""Runs programs that nobody has read: in namespaces of their own, with limits, without network, home or neighbours.

    Sandbox   run(files, commands) -> Ran; never raises for what a program does
    SandboxLimits what a program may use
    tester    tests in one process, the program under test in another
    probe     why this machine cannot isolate, or None
    holds     each thing that programs are held to, and whether this machine does

A program sees a read-only system, one private folder of limited size, no other process, no network, no key of the user's and
a clean environment; a filter (syscalls.py) keeps system calls from it that reach further into the kernel, or get memory that is
not counted; everything it started is dead when it ends. Isolation is by bubblewrap where an ordinary user has it installed,
else by the kernel's namespaces directly; started as root, programs run under an unprivileged uid. What cannot be isolated is
refused, unless the user asks for `isolate=False`: then only the limits hold.
"""

from .limits import Ran, SandboxLimits
from .run import Guarantee, Sandbox, SandboxUnavailable, holds, probe

__all__ = ["Guarantee", "Ran", "Sandbox", "SandboxLimits", "SandboxUnavailable", "holds", "probe"]
