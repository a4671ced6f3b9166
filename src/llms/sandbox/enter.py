"""Inside: becomes an unprivileged user, enters namespaces of its own, builds a root, runs commands, reports.

Run by path in an isolated interpreter, so it imports nothing but the standard library's cheapest parts:
python -I -S enter.py CONFIG, where CONFIG is the JSON that run.py writes. Three processes: this one waits; its child is the
first process of the process namespace, whose end ends all others; the grandchild becomes the program.
"""

import base64
import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import stat
import sys
import time

TYPE_CHECKING = False  # typing's own is left out: importing typing takes longer than all the rest
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .limits import CommandLimits, End, Job, JobReport

CLONE = {
    "mount": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
MNT_DETACH = 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}
JOIN_SESSION_KEYRING = 1
SYS_MOUNT_SETATTR = 442
AT_RECURSIVE = 0x8000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2
INSIDE_ID = 1000
WORK = "/tmp/work"
DEVICES = ("null", "full", "random", "urandom")  # not zero: what is mapped from it is memory that no limit counts
BYTES_PER_INODE = 512  # of a disk; it has one inode for so many
INODE_BYTES = 2048  # of the kernel's memory, with a long name
COUNTED = (b"VmRSS:", b"VmPTE:", b"VmSwap:", b"HugetlbPages:")
MAPPING_BYTES = 256  # of the kernel's memory, for each of a process
SOCKET_BYTES = 212_992  # that may wait in one to be read, unless it is allowed more
DEEPEST, MOST_ENTRIES, LOOK_SECONDS = 32, 100_000, 2.0  # of the folders that are looked through for files

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    check(
        libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()),
        f"mount {kind or source} on {target}",
    )


def read_only(path: str) -> None:
    """Every mount at and below `path`."""
    attributes = (ctypes.c_uint64 * 4)(MS_RDONLY | MS_NOSUID, 0, 0, 0)  # mount_attr: set, clear, propagation, user ns
    check(libc.syscall(SYS_MOUNT_SETATTR, -100, path.encode(), AT_RECURSIVE, attributes, 32), f"make {path} read-only")


def become(uid: int) -> None:
    """From root to an unprivileged user of the host: as root, limits on processes do not hold."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")  # else /proc/self belongs to root


def leave_host() -> None:
    uid, gid = os.getuid(), os.getgid()
    check(libc.unshare(sum(CLONE.values())), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{INSIDE_ID} {uid} 1"), ("gid_map", f"{INSIDE_ID} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def build_root(config: "Job") -> None:
    """A root of what the program may see: the system read-only, devices, a private /tmp, its files in /tmp/work.

    The host's /proc is there for a moment more: one's own is mounted over it, which needs an old one in sight.
    """
    root = config["folder"] + "/root"
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    os.mkdir(root + "/tmp")
    bounds = f"size={config['disk_bytes']},nr_inodes={config['disk_bytes'] // BYTES_PER_INODE}"
    mount("tmpfs", root + "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, f"{bounds},mode=1777")
    for path in config["visible"]:
        if os.path.islink(path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.symlink(os.readlink(path), root + path)
        elif os.path.isdir(path) and not os.path.isdir(root + path):
            os.makedirs(root + path)
            mount(path, root + path, "", MS_BIND | MS_REC)
            read_only(root + path)
    os.mkdir(root + "/dev")
    for name in DEVICES:
        with open(f"{root}/dev/{name}", "w"):
            pass
        mount(f"/dev/{name}", f"{root}/dev/{name}", "", MS_BIND)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{root}/dev/{name}")
    os.mkdir(root + "/proc")
    mount("/proc", root + "/proc", "", MS_BIND | MS_REC)
    copy(config["folder"] + "/files", root + WORK, config["uid"])
    os.symlink("/tmp", root + "/dev/shm")
    os.mkdir(root + "/old")
    check(libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], root.encode(), (root + "/old").encode()), "pivot_root")
    os.chdir("/")
    check(libc.umount2(b"/old", MNT_DETACH), "umount")
    os.rmdir("/old")
    mount("none", "/", "", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def mount_proc() -> None:
    """One's own processes, and no further user namespaces. A container that masks /proc allows none; then it is empty."""
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        with open("/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
    except OSError:
        mount("tmpfs", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)


def copy(source: str, target: str, uid: int) -> None:
    os.mkdir(target)
    for name in os.listdir(source):
        with open(f"{source}/{name}", "rb") as old, open(f"{target}/{name}", "wb") as new:
            new.write(old.read())
        if uid:
            os.chown(f"{target}/{name}", uid, uid)
    if uid:
        os.chown(target, uid, uid)


def execute(config: "Job", command: list[str], limits: "CommandLimits", work: str) -> None:
    """Become the program. Never returns."""
    try:
        os.setsid()
        os.chdir(work)
        limit(config, limits)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        confine(base64.b64decode(config["filter"]))
    except (OSError, ValueError) as error:
        os.write(2, f"the program cannot be started: {error}\n".encode())
        os._exit(126)
    folders = [""] if "/" in command[0] else [f"{folder}/" for folder in config["environment"]["PATH"].split(":")]
    for folder in folders:
        try:
            os.execve(folder + command[0], command, config["environment"])
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
                os._exit(126)
    os.write(2, f"cannot run {command[0]}: not found\n".encode())
    os._exit(127)


def limit(config: "Job", limits: "CommandLimits") -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"], limits["cpu_seconds"] + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    resource.setrlimit(resource.RLIMIT_FSIZE, (config["disk_bytes"],) * 2)
    if limits["address_space"]:
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    if config["isolate"]:  # counted per namespace there; outside it would count the user's own processes
        resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"],) * 2)
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (1024, 1024))  # timers, too


class FilterProgram(ctypes.Structure):
    _fields_ = (("instructions", ctypes.c_ushort), ("code", ctypes.c_char_p))


def confine(code: bytes) -> None:
    """Without the user's keys, without new privileges, and with the system calls that the filter `code` allows."""
    libc.syscall(
        SYS_KEYCTL.get(os.uname().machine, -1), JOIN_SESSION_KEYRING, None
    )  # a kernel without keys has none to lose
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    if code:
        program = FilterProgram(len(code) // 8, code)
        check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0), "seccomp")


def used_bytes(own: int) -> int:
    """Memory of all processes in this process namespace but the first, and the kernel's for their mappings, files, sockets."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != own:
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/status", "rb") as file:
                lines = (line.split() for line in file if line.startswith((b"Vm", b"Huge")))
                total += sum(int(line[1]) for line in lines if line[0] in COUNTED) << 10
            with contextlib.suppress(OSError), open(f"/proc/{name}/maps", "rb") as file:
                total += file.read().count(b"\n") * MAPPING_BYTES
    files = os.statvfs("/tmp")
    total += (files.f_files - files.f_ffree) * INODE_BYTES
    with contextlib.suppress(OSError), open("/proc/net/sockstat", "rb") as file:
        total += int(file.readline().split()[2]) * SOCKET_BYTES
    return total


def supervise(config: "Job", work: str) -> "JobReport":
    """Run the commands in turn until one fails; watch time and memory."""
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no program may look into this process, or write what it reports
    started, peak, code, done = time.monotonic(), 0, 0, 0
    end: End | None = "ok"
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    watch = config["isolate"] and os.path.isdir("/proc/self")
    for done, (command, limits) in enumerate(zip(config["commands"], config["limits"], strict=True)):  # noqa: B007
        deadline = time.monotonic() + limits["wall_seconds"]
        child = os.fork()
        if child == 0:
            execute(config, command, limits, work)
        end = None
        while True:
            ended, status, usage = os.wait4(-1, os.WNOHANG)
            if ended == child:
                peak = max(peak, usage.ru_maxrss * 1024)
                break
            if ended:
                continue  # an orphan of the program's
            if not end and time.monotonic() > deadline:
                end = "timeout"
            if not end and watch:
                used = used_bytes(os.getpid())
                peak = max(peak, used)
                end = "memory" if used > limits["memory_bytes"] else None
            if end:
                os.kill(child, signal.SIGKILL)
            signal.sigtimedwait([signal.SIGCHLD], 0.03)
        code = os.waitstatus_to_exitcode(status)
        if not end and code in (-signal.SIGXCPU, -signal.SIGKILL):
            spent = usage.ru_utime + usage.ru_stime
            end = "timeout" if code == -signal.SIGXCPU or spent >= limits["cpu_seconds"] else "killed"
        elif not end:
            end = "ok" if code == 0 else "killed" if code < 0 else "error"
        if end != "ok":
            break
    assert end is not None
    return {"end": end, "exit_code": code, "command": done, "seconds": time.monotonic() - started, "peak_bytes": peak}


def walk(root: int) -> "Iterator[tuple[tuple[str, ...], os.stat_result | None]]":
    """(path, status) of every file below an open folder; no link is followed.

    Bounded in depth, count and time, whatever a program has made; the status of what was not looked into is None.
    """
    until, seen = time.monotonic() + LOOK_SECONDS, 0
    here = os.dup(root)
    open_folders: list[tuple[tuple[str, ...], int, Iterator[os.DirEntry[str]]]] = [((), here, os.scandir(here))]
    while open_folders:
        folder, here, entries = open_folders[-1]
        entry = next(entries, None)
        if entry is None:
            os.close(here)
            open_folders.pop()
            continue
        path, seen = (*folder, entry.name), seen + 1
        if seen > MOST_ENTRIES or time.monotonic() > until:
            yield path, None
            break
        try:
            if not entry.is_dir(follow_symlinks=False):
                yield path, entry.stat(follow_symlinks=False)
                continue
            if len(path) < DEEPEST:
                inner = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                open_folders.append((path, inner, os.scandir(inner)))
                continue
        except OSError:  # gone meanwhile, or closed to us
            pass
        yield path, None
    for _, here, _ in open_folders:
        os.close(here)


def content(root: int, path: tuple[str, ...], most: int) -> bytes | None:
    """Of a regular file; None if it has more bytes, or cannot be read. Every step is checked: none is a link."""
    here = os.dup(root)
    try:
        for name in path:
            inner = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
            os.close(here)
            here = inner
        if not stat.S_ISREG(os.fstat(here).st_mode):
            return None
        with open(os.dup(here), "rb") as file:
            data = file.read(most + 1)
    except OSError:
        return None
    finally:
        os.close(here)
    return data if len(data) <= most else None


def left(config: "Job", root: int, before: dict[tuple[str, ...], int]) -> "JobReport":
    """The regular files below an open folder that did not change at the times of `before`, within the bounds.

    As the first process of a namespace this ends every other one, so that nothing changes meanwhile.
    """
    if config["isolate"]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    room, left_out = config["most_bytes"], 0
    files: list[tuple[str, str]] = []
    for path, status in sorted(walk(root), key=lambda one: one[0]):
        if status and (not stat.S_ISREG(status.st_mode) or before.get(path) == status.st_ctime_ns):
            continue
        data = None
        if status and len(files) < config["most_files"] and status.st_size <= room:
            data = content(root, path, room)
        if data is None:
            left_out += 1
            continue
        room -= len(data)
        name = os.fsencode("/".join(path)).decode("utf-8", "replace")
        files.append((name, base64.b64encode(data).decode()))
    return {"files": files, "left_out": left_out}


def work_off(config: "Job", work: str) -> "JobReport":
    if not config["most_files"]:
        return supervise(config, work)
    root = os.open(work, os.O_RDONLY | os.O_DIRECTORY)  # the program may remove or replace it
    before = {path: status.st_ctime_ns for path, status in walk(root) if status}
    result = supervise(config, work)
    return {**result, **left(config, root, before)}


def report(descriptor: int, result: "JobReport") -> None:
    text = memoryview(json.dumps(result).encode())
    while text:
        text = text[os.write(descriptor, text) :]


def main() -> None:
    config = json.loads(sys.argv[1])
    answer = config["answer"]
    os.set_inheritable(answer, False)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        if config["wrapped"]:  # bubblewrap has done the rest
            copy(config["files"], WORK, 0)
            report(answer, work_off(config, WORK))
            return
        if not config["isolate"]:
            report(answer, work_off(config, config["folder"] + "/files"))
            return
        if config["uid"]:  # root builds the root itself: it can reach an interpreter that lies in its own home
            check(libc.unshare(CLONE["mount"]), "unshare")
            build_root(config)
            become(config["uid"])
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # changing the user cleared it
        leave_host()
        first = os.fork()
        if first:
            os.close(answer)
            os.waitpid(first, 0)
            return
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if not config["uid"]:
            build_root(config)
        mount_proc()
    except OSError as error:
        report(answer, {"refused": str(error)})
        os._exit(1)
    report(answer, work_off(config, WORK))
    os._exit(0)


if __name__ == "__main__":
    main()
