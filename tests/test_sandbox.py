"""Whatever a program tries, it is contained, it is gone when it ends, and the machine is unharmed."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from llms.sandbox import Sandbox, SandboxLimits, SandboxUnavailable, probe

pytestmark = pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
MB = 1 << 20
SHORT = SandboxLimits(wall_seconds=3, cpu_seconds=2, memory_bytes=300 * MB)


@pytest.fixture(scope="module")
def sandbox():
    return Sandbox()


def python(sandbox, program: str, limits: SandboxLimits = SHORT):
    interpreter = os.path.join(sys.base_prefix, "bin")
    return sandbox.run({"main.py": program}, [["python3", "-I", "main.py"]], [limits], path=[interpreter])


def test_a_good_program_runs_and_a_bad_one_does_not(sandbox):
    ran = python(sandbox, "print(6 * 7)")
    assert (ran.end, ran.exit_code, ran.stdout) == ("ok", 0, "42\n")
    ran = python(sandbox, "raise ValueError('no')")
    assert (ran.end, ran.exit_code) == ("error", 1)
    assert "ValueError: no" in ran.stderr


def test_commands_run_in_turn_until_one_fails(sandbox):
    ran = sandbox.run({}, [["touch", "made"], ["ls", "made"], ["false"], ["echo", "never"]])
    assert (ran.end, ran.command, ran.stdout) == ("error", 2, "made\n")


def test_a_missing_command_is_said(sandbox):
    ran = sandbox.run({}, [["no-such-program"]])
    assert (ran.end, ran.exit_code) == ("error", 127)
    assert "cannot run no-such-program: not found" in ran.stderr


def test_what_is_visible_may_lie_in_tmp():
    """As it does when the project was cloned there; the program's own /tmp hides nothing of it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        Path(folder, "there").write_text("seen")
        program = f"print(open({folder + '/there'!r}).read()); open('/tmp/own', 'w'); open({folder + '/new'!r}, 'w')"
        ran = python(Sandbox(visible=[folder]), program)
        assert ran.stdout == "seen\n"
        assert "Read-only file system" in ran.stderr
        assert os.listdir(folder) == ["there"]


@pytest.mark.parametrize("program", ["while True: pass", "import time; time.sleep(60)"])
def test_an_endless_program_is_stopped(sandbox, program):
    started = time.monotonic()
    assert python(sandbox, program).end == "timeout"
    assert time.monotonic() - started < 8


def test_ignoring_signals_does_not_help(sandbox):
    program = """
import os, signal, time
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
print('still here', flush=True)
time.sleep(60)
"""
    ran = python(sandbox, program)
    assert ran.end == "timeout"
    assert "still here" in ran.stdout


def test_a_fork_storm_is_bounded(sandbox):
    program = """
import os, time
made = 0
while True:
    try:
        if os.fork() == 0: time.sleep(60)
        made += 1
    except OSError:
        break
print(made, flush=True)
"""
    ran = python(sandbox, program, SandboxLimits(wall_seconds=5, memory_bytes=4000 * MB, address_space=False))
    assert 0 < int(ran.stdout) <= SHORT.processes


def test_nothing_outlives_the_program(sandbox):
    marker = f"sleeper-{os.getpid()}"
    program = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp('sleep', ['{marker}', '300'])
    os._exit(0)
time.sleep(0.3)
print('left')
"""
    ran = python(sandbox, program)
    assert ran.stdout == "left\n"
    time.sleep(0.2)
    assert marker not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_fifty_gigabytes_are_not_to_be_had(sandbox):
    ran = python(sandbox, "x = bytearray(50 * 10**9); print('got it')")
    assert (ran.end, "MemoryError" in ran.stderr) == ("error", True)
    loose = SandboxLimits(wall_seconds=20, cpu_seconds=20, memory_bytes=300 * MB, address_space=False)
    program = "keep = []\nwhile True: keep.append(bytearray(b'x') * 10**7)"
    ran = python(sandbox, program, loose)
    assert ran.end == "memory"
    assert ran.peak_bytes < 3000 * MB


def test_the_disk_cannot_be_filled(sandbox):
    program = """
for i in range(1000):
    with open(f'file{i}', 'wb') as file:
        file.write(b'x' * 10**7)
"""
    ran = python(sandbox, program)
    assert ran.end == "error"
    assert "No space left" in ran.stderr or "File too large" in ran.stderr


def test_output_without_end_is_cut(sandbox):
    started = time.monotonic()
    ran = python(
        sandbox, "import sys\nwhile True: sys.stdout.write('x' * 10**6)", SandboxLimits(wall_seconds=20, cpu_seconds=20)
    )
    assert (ran.end, ran.truncated, len(ran.stdout)) == ("output_limit", True, 64 << 10)
    assert time.monotonic() - started < 10


def test_there_is_no_network(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = []
        threading.Thread(target=lambda: accepted.append(server.accept()), daemon=True).start()
        port = server.getsockname()[1]
        ran = python(sandbox, f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
        assert ran.end == "error"
        assert "unreachable" in ran.stderr or "refused" in ran.stderr
        assert not accepted
    assert "Error" in python(sandbox, "import socket; socket.create_connection(('1.1.1.1', 53), 2)").stderr


def test_home_and_other_folders_are_not_there(sandbox, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("do not read")
    secret.chmod(0o644)
    for path in (secret, Path.home() / ".bashrc", Path(__file__)):
        ran = python(sandbox, f"print(open({str(path)!r}).read())")
        assert ran.end == "error"
        assert "FileNotFoundError" in ran.stderr


def test_nothing_outside_its_folder_can_be_written(sandbox):
    for path in ("/usr/bin/llms-was-here", "/etc/llms-was-here", "/llms-was-here", "/proc/sys/kernel/hostname"):
        ran = python(sandbox, f"open({path!r}, 'w').write('x')")
        assert ran.end == "error", path
        assert not Path("/usr/bin/llms-was-here").exists()
    assert python(sandbox, "open('mine', 'w').write('x'); open('/tmp/mine', 'w').write('x')").ok


def test_it_sees_and_kills_no_process_but_its_own(sandbox):
    program = """
import os, signal
seen = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
print(len(seen), os.getppid())
for pid in range(1, 4000):
    if pid not in (os.getpid(),):
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass
print('survived')
"""
    ran = python(sandbox, program)
    assert ran.stdout.splitlines()[0] in ("2 1", "0 1")
    os.kill(os.getpid(), 0)
    assert python(sandbox, "print('next one runs')").ok


def test_the_environment_is_scrubbed(sandbox, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    ran = python(sandbox, "import os; print(sorted(os.environ)); print(os.getuid())")
    assert "OPENAI_API_KEY" not in ran.stdout
    assert ran.stdout.splitlines()[1] != "0"


def test_it_cannot_become_root_or_make_namespaces(sandbox):
    assert python(sandbox, "import os; os.setuid(0)").end == "error"
    program = "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))"
    assert python(sandbox, program).stdout == "-1\n"


def test_its_parent_can_neither_be_read_nor_spoken_for(sandbox):
    program = """
import json, os
parent, opened = os.getppid(), 0
for name in ['environ', 'mem', 'maps', *(f'fd/{i}' for i in range(3, 40))]:
    try:
        with open(f'/proc/{parent}/{name}', 'w' if name.startswith('fd') else 'r') as file:
            opened += 1
            file.write(json.dumps({'end': 'ok', 'exit_code': 0})) if name.startswith('fd') else file.read(1)
    except OSError:
        pass
print(opened)
raise SystemExit(3)
"""
    ran = python(sandbox, program)
    assert (ran.end, ran.exit_code, ran.stdout) == ("error", 3, "0\n")


@pytest.mark.parametrize(
    ("program", "end", "code", "stdout"),
    [
        ("", "ok", 0, ""),
        ("raise SystemExit(137)", "error", 137, ""),
        ("import os; os.write(1, b'\\xff\\xfe!')", "ok", 0, "\ufffd\ufffd!"),
        ("import os; os.close(1); os.close(2)", "ok", 0, ""),
        ("import os; os.kill(os.getpid(), 11)", "killed", -11, ""),
    ],
)
def test_odd_programs_are_no_trouble(sandbox, program, end, code, stdout):
    ran = python(sandbox, program)
    assert (ran.end, ran.exit_code, ran.stdout) == (end, code, stdout)


HOSTILE = """
import json, os, sys
import llms.sandbox.bubblewrap as b, llms.sandbox.run as run
if sys.argv[1] == 'kernel':
    b.bubblewrap.cache_clear()
    b.bubblewrap = lambda: None
limits = run.SandboxLimits(wall_seconds=4, cpu_seconds=2)
box, path = run.Sandbox(), [os.path.join(sys.base_prefix, 'bin')]
programs = [
    "open('made', 'w').write('x'); print(open('made').read())",
    "while True: pass",
    "open('/usr/llms', 'w')",
    "open('/dev/llms', 'w')",
    "open('/llms', 'w')",
    "import socket; socket.create_connection(('127.0.0.1', 22), 1)",
    "for i in range(100): open(f'a{i}', 'wb').write(b'x' * 10**7)",
    "for i in range(100): open(f'/dev/shm/a{i}', 'wb').write(b'x' * 10**7)",
    "import os; print(sorted(n for n in os.listdir('/proc') if n.isdigit()), os.listdir('/tmp'), 'root' in os.listdir('/'))",
    "import ctypes; raise SystemExit(ctypes.CDLL(None).unshare(0x10000000) == 0)",
    "import os\\nn = 0\\ntry:\\n  while n < 500:\\n    if os.fork() == 0: os.execvp('sleep', ['sleep', '9'])\\n    n += 1\\nexcept OSError: print(n)",
    "import os\\nfor p in range(1, 9):\\n  if p != os.getpid():\\n    try: os.kill(p, 9)\\n    except OSError: pass\\nprint('survived')",
    "import os\\ntry: os.memfd_create('a')\\nexcept OSError as error: print(error.errno)",
    "import os, socket, time\\nfor _ in range(20):\\n  if os.fork() == 0: keep = [socket.socketpair() for _ in range(99)]; time.sleep(9)\\ntime.sleep(9)",
]
found = [box.run({'main.py': p}, [['python3', '-I', 'main.py']], [limits], path=path) for p in programs]
picture = "import os; os.mkdir('d'); open('d/plot.png', 'wb').write(bytes(range(9))); open('given', 'a').write('!')"
made = box.run({'main.py': picture, 'given': 'so', 'same': ''}, [['python3', '-I', 'main.py']], [limits], path=path, bring_out=True)
files = {name: list(data) for name, data in made.files}
print(json.dumps([run._way()[0], [[ran.end, ran.stdout] for ran in found], files]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
@pytest.mark.parametrize("way", ["bubblewrap", "kernel"])
def test_an_ordinary_user_is_isolated_too(way):
    """The package is copied to where that user may read it, and run by the system's interpreter."""
    interpreter = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if way == "bubblewrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    new = "import sys; sys.exit(sys.version_info < (3, 11))"
    if interpreter is None or subprocess.run([interpreter, "-c", new], **nobody).returncode:
        pytest.skip("the system has no Python 3.11 that every user may run")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        package = Path(__file__).parents[1] / "src" / "llms"
        shutil.copytree(
            package / "sandbox", Path(folder, "llms", "sandbox"), ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("__init__.py", "errors.py"):
            shutil.copy(package / name, Path(folder, "llms", name))
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        environment = {"PYTHONPATH": folder, "PATH": "/usr/bin:/bin"}
        result = subprocess.run(
            [interpreter, "-c", HOSTILE, way], capture_output=True, text=True, env=environment, cwd="/", **nobody
        )
    if "cannot be isolated" in result.stderr:
        pytest.skip("this system allows an ordinary user no namespaces")
    wrapped, ran, files = json.loads(result.stdout)
    assert wrapped == (way == "bubblewrap")
    ends, shown = [end for end, _ in ran], [stdout for _, stdout in ran]
    assert ends == ["ok", "timeout", *["error"] * 6, "ok", "ok", "ok", "ok", "ok", "memory"], ran
    assert shown[0] == "x\n"
    assert shown[8] == "['1', '2'] ['work'] False\n"
    assert int(shown[10]) <= 64
    assert shown[11:13] == ["survived\n", "38\n"]
    assert files == {"d/plot.png": list(range(9)), "given": list(b"so!")}


def test_what_cannot_be_isolated_is_refused_unless_the_user_accepts_it(monkeypatch):
    monkeypatch.setattr("llms.sandbox.run._way", lambda: (False, "unshare: Operation not permitted"))
    with pytest.raises(SandboxUnavailable, match=r"on this machine \(unshare: .*accept the risk with --no-sandbox"):
        Sandbox()
    assert python(Sandbox(isolate=False), "print(1)").stdout == "1\n"


def test_the_folder_is_gone_afterwards(sandbox, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    python(sandbox, "open('left', 'w').write('x')")
    assert list(tmp_path.iterdir()) == []


def test_without_isolation_the_limits_still_hold():
    loose = Sandbox(isolate=False)
    assert python(loose, "print(1)").stdout == "1\n"
    assert python(loose, "while True: pass").end == "timeout"
    assert "MemoryError" in python(loose, "x = bytearray(50 * 10**9)").stderr


def test_files_come_back_when_asked_for(sandbox):
    program = """
import os
open('made.txt', 'w').write('made')
open('given.txt', 'a').write(' and changed')
os.mkdir('inner'); open('inner/binary', 'wb').write(bytes(range(256)))
os.symlink('/etc/passwd', 'link'); os.mkfifo('pipe'); os.symlink('/etc', 'folder')
open('large', 'wb').write(b'x' * (6 << 20))
"""
    given = {"main.py": program, "given.txt": "given", "same.txt": "same"}
    ran = sandbox.run(
        given, [["python3", "-I", "main.py"]], [SHORT], path=[os.path.join(sys.base_prefix, "bin")], bring_out=True
    )
    assert ran.ok, ran
    expected = {"made.txt": b"made", "given.txt": b"given and changed", "inner/binary": bytes(range(256))}
    assert dict(ran.files) == expected
    assert ran.left_out == 1
    assert python(sandbox, program).files == ()


def test_few_files_come_back_of_many(sandbox):
    program = "for i in range(50): open(f'{i:02}', 'wb').write(b'x' * (600 << 10))"
    ran = sandbox.run(
        {}, [["python3", "-I", "-c", program]], [SHORT], path=[os.path.join(sys.base_prefix, "bin")], bring_out=True
    )
    assert sum(len(data) for _, data in ran.files) <= 5 << 20
    assert (len(ran.files), ran.left_out) == (8, 42)


DEEP = "import os\nfor _ in range({}):\n    os.mkdir('d')\n    os.chdir('d')\nprint('deep')"


@pytest.mark.parametrize(("isolate", "depth"), [(True, 100_000), (False, 3_000)])
def test_folders_within_folders_are_no_trouble(isolate, depth, tmp_path, monkeypatch):
    """Deeper than Python's stack and than any path; outside, they are removed again."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    limits = SandboxLimits(wall_seconds=30, cpu_seconds=20)
    interpreter = [os.path.join(sys.base_prefix, "bin")]
    files = {"main.py": DEEP.format(depth)}
    ran = Sandbox(isolate).run(files, [["python3", "-I", "main.py"]], [limits], path=interpreter, bring_out=True)
    assert (ran.end, ran.exit_code, ran.stdout, ran.stderr) == ("ok", 0, "deep\n", "")
    assert (ran.files, ran.left_out) == ((), 1)
    assert list(tmp_path.iterdir()) == []


LEFT = """
import os, socket
os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket'); os.symlink('/dev/zero', 'device')
open(b'\\xff\\xfe.txt', 'w').write('odd'); open('sparse', 'wb').truncate(40 << 20)
os.mkdir('closed'); open('closed/in', 'w').write('x'); os.mkdir('outer'); os.mkdir('outer/inner'); open('outer/inner/a', 'w').write('a')
open('unreadable', 'w').write('u'); os.link('unreadable', 'twice'); os.chmod('unreadable', 0)
os.symlink('outer', 'aside'); os.chmod('outer/inner', 0o500); os.chmod('closed', 0)
"""


@pytest.mark.parametrize("isolate", [True, False])
def test_odd_files_neither_hang_nor_stay(isolate, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    interpreter = [os.path.join(sys.base_prefix, "bin")]
    ran = Sandbox(isolate).run({}, [["python3", "-I", "-c", LEFT]], [SHORT], path=interpreter, bring_out=True)
    assert ran.ok, ran
    assert {name: data for name, data in ran.files if name not in ("closed/in", "unreadable", "twice")} == {
        "\ufffd\ufffd.txt": b"odd", "outer/inner/a": b"a"
    }  # fmt: skip
    assert len(ran.files) + ran.left_out == 6  # what cannot be read is counted
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", ["os.rmdir('../work')", "os.rename('../work', '../gone')"])
def test_a_program_may_take_its_own_folder_away(sandbox, end):
    commands = [["python3", "-I", "-c", f"import os; {end}; print('done')"], ["true"]]
    ran = sandbox.run({}, commands, [SHORT, SHORT], path=[os.path.join(sys.base_prefix, "bin")], bring_out=True)
    assert (ran.stdout, ran.exit_code, ran.command) == ("done\n", 126, 1)
    assert "the program cannot be started" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_folder_of_many_is_looked_through_for_a_moment_only(sandbox):
    program = "import os\nfor i in range(110_000): os.mknod(f'{i:06}')\n"
    limits = SandboxLimits(wall_seconds=30, cpu_seconds=20)
    ran = sandbox.run(
        {}, [["python3", "-I", "-c", program]], [limits], path=[os.path.join(sys.base_prefix, "bin")], bring_out=True
    )
    assert (ran.ok, len(ran.files)) == (True, 10)
    assert 0 < ran.left_out <= 100_000
