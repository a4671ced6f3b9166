"""Which system calls a program may make: a seccomp filter, as classic BPF, that holds for it and for all it starts.

Left out is what reaches into the kernel beyond files, processes and plain sockets (keys, BPF, io_uring, mounts, namespaces),
and every kind of memory that no limit counts: memfds, System V's objects, shared mappings without a file, pages lent to pipes.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from functools import cache

EPERM, ENOMEM, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT, IGNORED = 1, 12, 38, 93, 97, 0
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER, ARCHITECTURE, ARGUMENTS = (
    0,
    4,
    16,
)  # offsets in seccomp_data; an argument has 8 bytes, the lower 4 of them first
X32 = 0x40000000  # numbers from here on are x86_64's second table
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # how the kernel names it, the column below
GET_ACTION_AVAIL, SYS_SECCOMP = 2, {"x86_64": 317, "aarch64": 277}

# by name: the number on x86_64 and on aarch64, None where it has none. From 424 on all machines share the numbers
DENIED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "vmsplice": (278, 75),
    "memfd_secret": (447, 447), "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41),
    "mount": (165, 40), "umount2": (166, 39), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "statmount": (457, 457), "listmount": (458, 458), "open_tree_attr": (467, 467), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "reboot": (169, 142), "syslog": (103, 116),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "lookup_dcookie": (212, 18), "uselib": (134, None), "iopl": (172, None),
    "ioperm": (173, None), "nfsservctl": (180, 42), "vhangup": (153, 58),
}  # fmt: skip
# libraries ask for these first and do without where a kernel is too old for them
UNKNOWN: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435), "memfd_create": (319, 279), "userfaultfd": (323, 282), "io_setup": (206, 0), "inotify_init": (253, None),
    "inotify_init1": (294, 26), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "landlock_create_ruleset": (444, 444), "landlock_add_rule": (445, 445),
}  # fmt: skip
CLONE, MMAP, SOCKET, SOCKETPAIR, SETSOCKOPT, IOCTL, PERSONALITY = (
    (56, 220), (9, 222), (41, 198), (53, 199), (54, 208), (16, 29), (135, 92),
)  # fmt: skip
NEW_NAMESPACES = 0x7E020000
SHARED, ANONYMOUS, HUGE_PAGES = 0x01, 0x20, 0x40000
FAMILIES = (1, 2, 10)  # Unix, IPv4, IPv6
PROTOCOLS = (0, 1, 6, 17, 58)  # what the family has by itself, and ICMP, TCP, UDP by name: no module is loaded for them
TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into somebody's terminal
SOL_SOCKET, SEND_BUFFER = 1, (7, 32)  # SO_SNDBUF, SO_SNDBUFFORCE
OWN_PERSONALITY = (0, 0xFFFFFFFF)  # Linux; which one it is

Code = list[tuple[int, int, int, int]]  # operation, instructions to skip if true, if false, operand


@cache
def filter_program() -> bytes:
    """The filter as the kernel takes it, `struct sock_filter` by `struct sock_filter`; empty where `lacking` says why."""
    return b"" if lacking() else assemble(os.uname().machine)


@cache
def lacking() -> str | None:
    """Why no filter can be had here; None if one can."""
    machine = os.uname().machine
    if not sys.platform.startswith("linux") or machine not in MACHINES:
        return f"there is none for {sys.platform} on {machine}"
    action = ctypes.c_uint32(ERRNO)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_SECCOMP[machine], GET_ACTION_AVAIL, 0, ctypes.byref(action)):
        return f"this kernel has no seccomp filters ({os.strerror(ctypes.get_errno())})"
    return None


def assemble(machine: str) -> bytes:
    """The filter for a machine, as `uname` names it."""
    name, column = MACHINES[machine]
    code: Code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, name),
        (RETURN, 0, 0, KILL_PROCESS),  # 32-bit calls have numbers of their own
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        _refuse(ENOSYS),
    ]
    for numbers, error in ((DENIED, EPERM), (UNKNOWN, ENOSYS)):
        for pair in numbers.values():
            if (number := pair[column]) is not None:
                code += [(EQUAL, 0, 1, number), _refuse(error)]
    for pair, checks in _checked():
        code += [(EQUAL, 0, len(checks) + 1, pair[column]), *checks, (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _checked() -> list[tuple[tuple[int, int], Code]]:
    """The calls of which some are refused, by their arguments."""
    shared = [(ANY_BIT, 0, 2, SHARED), (ANY_BIT, 0, 1, ANONYMOUS), _refuse(EPERM)]
    plain_socket = [*_only(0, FAMILIES, EAFNOSUPPORT), *_only(2, PROTOCOLS, EPROTONOSUPPORT)]
    buffer = [_argument(2), *_none_of(SEND_BUFFER, IGNORED)]  # the kernel, too, grants less than it is asked for
    return [
        (CLONE, [_argument(0), (ANY_BIT, 0, 1, NEW_NAMESPACES), _refuse(EPERM)]),
        (MMAP, [_argument(3), (ANY_BIT, 0, 1, HUGE_PAGES), _refuse(ENOMEM), *shared]),
        (SOCKET, plain_socket),
        (SOCKETPAIR, plain_socket),
        (SETSOCKOPT, [_argument(1), (EQUAL, 0, len(buffer), SOL_SOCKET), *buffer]),
        (IOCTL, [_argument(1), *_none_of(TERMINAL_INPUT, EPERM)]),
        (PERSONALITY, _only(0, OWN_PERSONALITY, EPERM)),
    ]


def _argument(index: int) -> tuple[int, int, int, int]:
    return LOAD, 0, 0, ARGUMENTS + 8 * index


def _refuse(error: int) -> tuple[int, int, int, int]:
    return RETURN, 0, 0, ERRNO | error


def _none_of(values: Sequence[int], error: int) -> Code:
    return [step for value in values for step in ((EQUAL, 0, 1, value), _refuse(error))]


def _only(argument: int, values: Sequence[int], error: int) -> Code:
    """Goes on behind itself for these values of an argument."""
    tests = [(EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [_argument(argument), *tests, _refuse(error)]
