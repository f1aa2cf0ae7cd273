"""A child is shut in, is ended where it is late, and is nobody else's after a fork."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import time

import pytest

from coread.apart.processes import Helper, Pool

#: Tells what it may still do once it has shut itself in, and then echoes.
TRYING = """
import ctypes, os, socket
from coread.apart import inside
def tried(what):
    try:
        what()
    except OSError as fault:
        return type(fault).__name__.encode()
    return b"done"
kept = open({path!r}, "w")
inside.shut_in()
connected = tried(lambda: socket.create_connection(("127.0.0.1", {port}), 1))
seized = b"refused" if ctypes.CDLL(None).ptrace(0x4206, os.getppid(), 0, 0) else b"done"  # PTRACE_SEIZE
written = tried(lambda: kept.write("x") and kept.flush())
kept = None
inside.open_nothing_more()
after = tried(lambda: open({path!r}, "w")), tried(lambda: open("/etc/hostname")), tried(socket.socket)
os.write(1, b" ".join((connected, seized, written, *after)).ljust(200))
while word := os.read(0, 4):
    os.write(1, word)
"""
ECHO = "import os\nwhile word := os.read(0, 4):\n    os.write(1, word)\n"


@pytest.fixture
def helper():
    made = Helper()
    yield made
    made.stop()


@pytest.fixture
def script(tmp_path):
    def write(text: str):
        path = tmp_path / "child.py"
        path.write_text(text)
        return path

    return write


def soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


def asked_word(helper: Helper) -> bytes:
    helper.send([b"word"], soon())
    return bytes(helper.receive(4, soon()))


def may_have_a_network_of_its_own() -> bool:
    child = os.fork()
    if child == 0:
        try:
            from ctypes import CDLL  # noqa: PLC0415  (the child's own)

            os._exit(1 if CDLL(None).unshare(0x50000000) else 0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_it_writes_nothing_opens_nothing_and_reaches_nobody(helper, script, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as door:
        helper.start(script(TRYING.format(path=str(tmp_path / "kept"), port=door.getsockname()[1])))
        connected, seized, written, *opened = bytes(helper.receive(200, soon())).split()
    assert written != b"done"
    assert (tmp_path / "kept").read_bytes() == b""
    assert b"done" not in opened
    assert b"done" not in (connected, seized) or not may_have_a_network_of_its_own()
    assert asked_word(helper) == b"word"


@pytest.mark.parametrize("asked", [2, 15])
def test_where_the_service_is_asked_to_end_it_answers_yet(helper, script, asked):
    helper.start(script("from coread.apart import inside\ninside.shut_in()\n" + ECHO))
    assert asked_word(helper) == b"word"
    os.kill(helper.process.pid, asked)
    assert asked_word(helper) == b"word"
    helper.process.stdin.close()
    assert helper.process.wait(10) == 0


def test_it_is_the_first_to_end_where_memory_is_short(helper, script):
    helper.start(script("from coread.apart import inside\ninside.shut_in()\n" + ECHO))
    assert asked_word(helper) == b"word"
    mark = f"/proc/{helper.process.pid}/oom_score_adj"
    if not os.path.exists(mark):  # noqa: PTH110
        pytest.skip("the system has no such mark")
    with open(mark) as held:  # noqa: PTH123
        assert held.read().strip() == "1000"


def test_it_says_how_it_ended(helper, script):
    helper.start(script("import os; os.kill(os.getpid(), 8)"))
    with pytest.raises(EOFError):
        helper.receive(1, soon())
    assert helper.stop() == -8
    assert helper.stop() == 0


def test_one_that_neither_reads_nor_writes_is_late(helper, script):
    helper.start(script("import time; time.sleep(60)"))
    with pytest.raises(TimeoutError):
        helper.send([bytes(8 << 20)], soon(0.2))
    with pytest.raises(TimeoutError):
        helper.receive(1, soon(0.1))


@pytest.fixture
def many_files():
    """Hold more files open than select(2) can tell of."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"this user may open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    with contextlib.ExitStack() as held:
        for _ in range(1050):
            held.enter_context(open(os.devnull))  # noqa: PTH123
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_service_with_many_open_files_is_answered(helper, script, many_files):
    helper.start(script(ECHO))
    assert helper.process.stdin.fileno() >= 1024
    assert asked_word(helper) == b"word"


def test_one_that_was_left_in_the_middle_is_not_asked_again(script):
    """Its answer would be taken for that to the next question."""
    pool = Pool(1, Helper)

    def leave() -> None:
        with pool.child() as child:
            child.start(script(ECHO))
            child.send([b"left"], soon())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    with pool.child() as child:
        assert not child.is_alive


def test_a_forked_process_starts_children_of_its_own(script):
    pool = Pool(1, Helper)
    path = script(ECHO)
    with pool.child() as child:
        child.start(path)
        ours = child.process.pid
    forked = os.fork()
    if forked == 0:
        try:
            with pool.child() as child:
                assert child.process is None
                child.start(path)
                os._exit(0 if asked_word(child) == b"word" and child.process.pid != ours else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
    with pool.child() as child:
        assert child.is_alive
        assert asked_word(child) == b"word"
    pool.stop()
    del pool
    gc.collect()
