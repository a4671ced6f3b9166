"""Which system calls programs may make, asked of the kernel from inside; and that no kind of memory passes the limit."""

import json
import os
import struct
import subprocess
import sys

import pytest

from llms.sandbox import Sandbox, SandboxLimits, holds, probe, run, syscalls

MB = 1 << 20
isolated = pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
filtered = pytest.mark.skipif(syscalls.lacking() is not None, reason=f"no filter of system calls: {syscalls.lacking()}")
MACHINE = os.uname().machine
COLUMN = syscalls.MACHINES.get(MACHINE, ("", 0))[1]

# the right arguments matter little: the filter decides before the kernel looks at them
CALLS = """
import ctypes, json
libc, refused = ctypes.CDLL(None, use_errno=True), {}
for name, number in NUMBERS.items():
    ctypes.set_errno(0)
    refused[name] = (libc.syscall(number, 0, 0, 0, 0, 0, 0), ctypes.get_errno())
print(json.dumps(refused))
"""


def python(program: str, sandbox: Sandbox | None = None, **limits):
    chosen = SandboxLimits(**{"wall_seconds": 10, "cpu_seconds": 8, "memory_bytes": 300 * MB, **limits})
    interpreter = os.path.join(sys.base_prefix, "bin")
    box = sandbox or Sandbox()
    return box.run({"main.py": program}, [["python3", "-I", "main.py"]], [chosen], path=[interpreter])


def run_filter(program: bytes, number: int, architecture: int, arguments: list[int]) -> int:
    """What the filter returns for a call: the machine that the kernel has for it, in Python."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, *[one & (1 << 64) - 1 for one in arguments])
    code = list(struct.iter_unpack("=HBBI", program))
    at = value = 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        if operation == syscalls.RETURN:
            return operand
        if operation == syscalls.LOAD:
            (value,) = struct.unpack_from("<I", data, operand)
            continue
        true = {
            syscalls.EQUAL: value == operand, syscalls.AT_LEAST: value >= operand, syscalls.ANY_BIT: bool(value & operand)
        }[operation]  # fmt: skip
        at += if_true if true else if_false


@pytest.mark.parametrize("machine", syscalls.MACHINES)
def test_the_filter_decides_by_machine_number_and_arguments(machine):
    architecture, column = syscalls.MACHINES[machine]
    program = syscalls.assemble(machine)

    def decide(number, *arguments, architecture=architecture):
        return run_filter(program, number, architecture, [*arguments, *[0] * (6 - len(arguments))])

    allow, errno = syscalls.ALLOW, syscalls.ERRNO
    for numbers, error in ((syscalls.DENIED, syscalls.EPERM), (syscalls.UNKNOWN, syscalls.ENOSYS)):
        for name, pair in numbers.items():
            assert pair[column] is None or decide(pair[column]) == errno | error, name
    clone, mmap, socket, setsockopt, ioctl, personality = (
        pair[column]
        for pair in (
            syscalls.CLONE, syscalls.MMAP, syscalls.SOCKET, syscalls.SETSOCKOPT, syscalls.IOCTL, syscalls.PERSONALITY
        )
    )  # fmt: skip
    assert [decide(clone, flags) for flags in (17, 0x3D0F00, 17 | 1 << 28)] == [allow, allow, errno | 1]
    assert decide(mmap, 0, 1, 3, 0x22) == decide(mmap, 0, 1, 3, 0x01) == decide(mmap, 0, 1, 1, 0x02) == allow
    assert decide(mmap, 0, 1, 3, 0x21) == decide(mmap, 0, 1, 3, 0x23) == errno | 1
    assert decide(mmap, 0, 1, 3, 0x40022) == errno | syscalls.ENOMEM
    families = {family: decide(socket, family, 1, 0) for family in (1, 2, 10, 16, 17, 38, 40, 44)}
    assert {family for family, decision in families.items() if decision == allow} == {1, 2, 10}
    assert families[40] == errno | syscalls.EAFNOSUPPORT
    assert decide(socket, 2, 1, 132) == errno | syscalls.EPROTONOSUPPORT  # SCTP
    assert decide(setsockopt, 3, 1, 7) == errno  # said to be done, and left as it is
    assert decide(setsockopt, 3, 1, 2) == decide(setsockopt, 3, 6, 7) == allow
    assert [decide(ioctl, 0, code) for code in (0x5401, 0x5412, 0x541C)] == [allow, errno | 1, errno | 1]
    assert [decide(personality, one) for one in (-1, 0, 0x40000)] == [allow, allow, errno | 1]
    assert decide(0, architecture=0x40000003) == syscalls.KILL_PROCESS  # 32-bit calls
    assert decide(syscalls.X32 | 1) == errno | syscalls.ENOSYS


@filtered
@pytest.mark.parametrize("isolate", [pytest.param(True, marks=isolated), False])
def test_the_kernel_refuses_each_call_that_is_left_out(isolate):
    named = {**syscalls.DENIED, **syscalls.UNKNOWN}
    numbers = {name: pair[COLUMN] for name, pair in named.items() if pair[COLUMN] is not None}
    ran = python(f"NUMBERS = {numbers}{CALLS}", Sandbox(isolate))
    assert ran.ok, ran
    expected = {
        name: [-1, syscalls.EPERM if name in syscalls.DENIED else syscalls.ENOSYS] for name in numbers
    }  # fmt: skip
    assert json.loads(ran.stdout) == expected


@filtered
@isolated
def test_programs_that_need_other_calls_run_as_before():
    program = """
import asyncio, concurrent.futures, fcntl, mmap, multiprocessing, os, socket, sqlite3, subprocess, tempfile, threading
context = multiprocessing.get_context('fork')
with context.Pool(2) as pool: print(pool.map(abs, [-1, -2]))
with concurrent.futures.ThreadPoolExecutor(2) as pool: print(list(pool.map(abs, [-3])))
print(subprocess.run(['sh', '-c', 'echo $0', 'spawned'], capture_output=True, text=True).stdout.strip())
number = context.Value('i', 4); print(number.value)
with tempfile.TemporaryFile() as file:
    file.write(b'x' * 4096); file.flush()
    with mmap.mmap(file.fileno(), 4096) as view: print(view[0])
base = sqlite3.connect('a.db'); base.execute('create table t (x)'); base.commit(); print(base.execute('select 5').fetchone())
a, b = socket.socketpair(); a.send(b'6'); print(b.recv(1))
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20); print(a.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 212992)
asyncio.run(asyncio.sleep(0)); thread = threading.Thread(target=print, args=['7']); thread.start(); thread.join()
"""
    ran = python(program)
    assert ran.ok, ran
    assert ran.stdout.splitlines() == ["[1, 2]", "[3]", "spawned", "4", "120", "(5,)", "b'6'", "True", "7"]


@filtered
@isolated
def test_the_users_keys_are_neither_seen_nor_replaced():
    """In a session of its own, whose keyring has a key: by the filter it cannot be asked for, by a new keyring it is not there."""
    program = f"""
import ctypes, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
JOIN, ADD = 1, {syscalls.DENIED["add_key"][COLUMN]}
keyctl = lambda *arguments: libc.syscall({syscalls.DENIED["keyctl"][COLUMN]}, *arguments)
if keyctl(JOIN, None) < 0: sys.exit(77)
key = libc.syscall(ADD, b'user', b'llms-test', b'secret', 6, -3)
if key < 0: sys.exit(77)
sys.path.insert(0, {os.path.dirname(os.path.dirname(os.path.dirname(syscalls.__file__)))!r})
from llms.sandbox import Sandbox, run
program = '''
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
value = ctypes.create_string_buffer(9)
print(libc.syscall({syscalls.DENIED["keyctl"][COLUMN]}, 11, KEY, value, 9), value.value, 'llms-test' in open('/proc/keys').read())
'''.replace('KEY', str(key))
for unfiltered in (False, True):
    if unfiltered: run.syscalls.filter_program = lambda: b''
    ran = Sandbox().run({{'main.py': program}}, [['python3', '-I', 'main.py']], path=[{os.path.join(sys.base_prefix, "bin")!r}])
    print(ran.stdout or ran.stderr, end='')
value = ctypes.create_string_buffer(9)
print(keyctl(11, key, value, 9), value.value)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if result.returncode == 77:
        pytest.skip("this kernel keeps no keys for us")
    assert result.stdout.splitlines() == ["-1 b'' False", "-1 b'' False", "6 b'secret'"], result


HOARDS = {
    "in a memfd": "import os; file = os.memfd_create('a')\nfor i in range(500): os.write(file, b'x' * (1 << 20))",
    "in shared memory of System V": (
        "import ctypes; libc = ctypes.CDLL(None)\nfor i in range(5): assert libc.shmget(0, 100 << 20, 0o1600) >= 0"
    ),
    "in a shared mapping that nobody has touched for long": (
        "import mmap\nwith mmap.mmap(-1, 200 << 20) as m: m.write(b'x' * len(m)); m.madvise(mmap.MADV_DONTNEED)"
    ),
    "of /dev/zero": "import mmap, os; mmap.mmap(os.open('/dev/zero', os.O_RDWR), 1 << 20)",
    "in inodes": "for i in range(1_000_000): open(f'{i:0200}', 'w').close()",
    "in queues of messages": "import ctypes; assert ctypes.CDLL(None).msgget(0, 0o1600) >= 0",
    "in the watching of files": "import ctypes; assert ctypes.CDLL(None).inotify_init() >= 0",
}


@filtered
@isolated
@pytest.mark.parametrize("where", HOARDS)
def test_no_memory_is_had_that_no_limit_counts(where):
    ran = python(f"{HOARDS[where]}\nprint('had it')", memory_bytes=200 * MB, disk_bytes=8 * MB)
    assert ran.end in ("error", "memory"), ran
    assert "had it" not in ran.stdout


@isolated
def test_what_sockets_hold_counts_as_memory():
    program = """
import os, socket, time
for _ in range(8):
    if os.fork() == 0:
        pairs = [socket.socketpair() for _ in range(110)]
        time.sleep(20)
time.sleep(20)
"""
    ran = python(program)
    assert ran.end == "memory", ran
    assert ran.seconds < 9


@isolated
def test_what_the_kernel_keeps_of_mappings_counts_as_memory():
    """Every other page made read-only, in many processes: none is resident, and each is a mapping of its own."""
    program = """
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, *[ctypes.c_long] * 5]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_long]
start = libc.mmap(None, 50_000 << 12, 3, 0x22, -1, 0)
for page in range(0, 50_000, 2): libc.mprotect(start + (page << 12), 4096, 1)
for _ in range(12):
    if os.fork() == 0: time.sleep(20)
time.sleep(20)
"""
    ran = python(program, memory_bytes=250 * MB)
    assert ran.end == "memory", ran


@isolated
def test_tables_of_pages_count_as_memory():
    """A page read here and there of much that is reserved: none is resident, and the tables take gigabytes."""
    program = """
import mmap
reserved = mmap.mmap(-1, 1 << 42, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ)
for place in range(0, 1 << 42, 1 << 21): reserved[place]
"""
    ran = python(program, address_space=False)
    assert ran.end == "memory", ran


def test_what_a_machine_lacks_is_said_with_what_follows(monkeypatch):
    monkeypatch.setattr(run, "_way", lambda: (False, "unshare: Operation not permitted"))
    (isolation,) = holds.__wrapped__()
    assert (isolation.holds, "cannot be isolated: unshare" in isolation.detail) == (False, True)


@isolated
def test_without_a_filter_memory_can_be_hidden_and_that_is_said(monkeypatch):
    assert {one.name: one.holds for one in holds()}["system calls"] == (syscalls.lacking() is None)
    monkeypatch.setattr(syscalls, "lacking", lambda: "this kernel has none")
    said = {one.name: one for one in holds.__wrapped__()}
    assert not said["system calls"].holds
    assert "memfds" in said["system calls"].detail
