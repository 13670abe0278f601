from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LEAKY = """
import socket, threading, pykka

kept = []

def test_leaves_everything():
    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=threading.Event().wait, name="feed-leak", daemon=True)
    class Leak(pykka.ThreadingActor):
        use_daemon_thread = True
    kept.extend([server, thread, Leak.start()])
    thread.start()

def test_leaves_nothing():
    pass
"""


def test_a_test_that_leaves_an_actor_a_thread_and_a_server_fails(tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "2 passed, 1 error" in run.stdout
    for left in ("'actors': {'Leak (urn:uuid", "'threads': {'feed-leak", "'server sockets': {'"):
        assert left in run.stdout
