"""A stranger's network is computed apart: it may fall, hang or swell, and the worker goes on."""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from coread.dicom import open_object
from coread.domain.reading import Outcome
from coread.domain.study import Instance, Study
from coread.errors import BundleRefused, ReaderFailed
from coread.readers import Case, Machine, ReaderOutput, onnx, run
from coread.readers.networks import apart
from coread.readers.onnx import Session
from coread.testing import chest_radiograph
from coread.testing.networks import _field as field
from coread.testing.networks import dividing_network
from coread.testing.readers import ExampleReader, brightness

#: TensorProto.DataType of ONNX.
FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
WORST = np.full(1, np.iinfo(np.int32).min, np.int32), np.full(1, -1, np.int32)
"""The one quotient of 32-bit integers that is no such integer: the processor's own fault (SIGFPE)."""


def tensor(name: str, kind: int, *sizes: int | str) -> bytes:
    shape = b"".join(field(1, field(1, n) if isinstance(n, int) else field(2, n.encode())) for n in sizes)
    return field(1, name.encode()) + field(2, field(1, field(1, kind) + field(2, shape)))


def node(operator: str, inputs: str, outputs: str, attribute: bytes = b"") -> bytes:
    taken = b"".join(field(1, name.encode()) for name in inputs.split())
    given = b"".join(field(2, name.encode()) for name in outputs.split())
    return taken + given + field(4, operator.encode()) + (field(5, attribute) if attribute else b"")


def constant(name: str, kind: int, raw: bytes, *sizes: int) -> bytes:
    return b"".join(field(1, n) for n in sizes) + field(2, kind) + field(8, name.encode()) + field(9, raw)


def graph(nodes: list[bytes], inputs: list[bytes], outputs: list[bytes], held: list[bytes] = []) -> bytes:  # noqa: B006
    parts = ((1, nodes), (5, held), (11, inputs), (12, outputs))
    return field(2, b"g") + b"".join(field(number, part) for number, some in parts for part in some)


def network(of: bytes) -> bytes:
    return field(1, 8) + field(7, of) + field(8, field(1, b"") + field(2, 13))


def falling() -> bytes:
    """y = x / w of 32-bit integers."""
    taken = [tensor("x", INT32, "n"), tensor("w", INT32, "n")]
    return network(graph([node("Div", "x w", "y")], taken, [tensor("y", INT32, "n")]))


def swelling() -> bytes:
    """As many times x as n says."""
    taken = [tensor("x", FLOAT, 1), tensor("n", INT64, 1)]
    return network(graph([node("Expand", "x n", "y")], taken, [tensor("y", FLOAT, "m")]))


def swollen() -> bytes:
    """Ten gigabytes, which the runtime computes when it loads the network."""
    held = [constant("n", INT64, struct.pack("<q", 2_500_000_000), 1)]
    nodes = [node("ConstantOfShape", "n", "z"), node("Add", "x z", "y")]
    return network(graph(nodes, [tensor("x", FLOAT, 1)], [tensor("y", FLOAT, "m")], held))


def looping() -> bytes:
    """Add one to x, n times; it need not come to an end in a lifetime."""
    body = graph(
        [node("Identity", "c", "d"), node("Add", "v one", "w")],
        [tensor("i", INT64), tensor("c", BOOL), tensor("v", FLOAT, 1)],
        [tensor("d", BOOL), tensor("w", FLOAT, 1)],
    )
    loop = node("Loop", "n go x", "y", field(1, b"body") + field(6, body) + field(20, 5))
    taken = [tensor("n", INT64), tensor("x", FLOAT, 1)]
    held = [constant("go", BOOL, b"\1"), constant("one", FLOAT, struct.pack("<f", 1), 1)]
    return network(graph([loop], taken, [tensor("y", FLOAT, 1)], held))


def turns(count: float) -> dict:
    return {"n": np.array(int(count)), "x": np.ones(1, np.float32)}


ENDLESS = turns(2**62)
#: Turns that take long enough to be met in them, on any machine.
LONG = turns(3e5)


#: A worker: it says which process computes for it, and lets it compute without end.
WORKER = """
import sys
from pathlib import Path
import numpy as np
from coread.readers.onnx import Session
session = Session(Path(sys.argv[1]), sys.argv[2])
print(session._network._pool.children[0].process.pid, flush=True)
session.run({"n": np.array(2**62), "x": np.ones(1, np.float32)})
"""


@pytest.fixture
def session(tmp_path):
    def opened(content: bytes, **limits) -> Session:
        path = tmp_path / "weights.onnx"
        path.write_bytes(content)
        return Session(path, hashlib.sha256(content).hexdigest(), **limits)

    return opened


def child_of(session: Session) -> apart.Child:
    return session._network._pool.children[0]


def pid_of(session: Session) -> int:
    process = child_of(session).process
    assert process is not None
    return process.pid


def killed_at_work(session: Session, times: int, enough: threading.Event) -> threading.Thread:
    """End the process of a session once it has begun to compute, so many times, or until it is enough."""

    def kill() -> None:
        last = 0
        for _ in range(times):
            while last == (now := getattr(child_of(session).process, "pid", last)) or not is_at_work(now):
                if enough.wait(0.005):
                    return
            os.kill(now, 9)
            last = now

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def is_at_work(pid: int) -> bool:
    """Whether the process has come to its network: it then may open nothing more, and computes."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return "Max open files            3 " in limits and state == "R"


@pytest.mark.parametrize("name", ["ct_nodule", "blood_smear"])
def test_a_real_network_gives_the_same_bits_apart_as_within(tmp_path, name):
    ours = Path(onnx.__file__).parent / name / "bundle" / "weights.onnx"
    theirs = shutil.copy(ours, tmp_path / "weights.onnx")
    digest = hashlib.sha256(ours.read_bytes()).hexdigest()
    within, without = Session(ours, digest, threads=2), Session(theirs, digest, threads=2)
    assert (without.inputs, without.outputs) == (within.inputs, within.outputs)
    shape = [size or 1 for size in within.inputs[next(iter(within.inputs))]]
    given = {next(iter(within.inputs)): np.random.default_rng(0).random(shape, np.float32)}
    expected, found = within.run(given), without.run(given)
    assert {key: value.tobytes() for key, value in found.items()} == {
        key: value.tobytes() for key, value in expected.items()
    }


def test_a_network_that_ends_its_process_fails_its_own_study(session):
    dividing = session(falling())
    for _ in range(2):  # the first in a process that is fresh, the second in one that has worked
        with pytest.raises(ReaderFailed, match=r"ended its process \(SIGFPE\)") as caught:
            dividing.run(dict(zip("xw", WORST, strict=True)))
        assert caught.value.expected
        assert "fresh process" in caught.value.remedy
        assert dividing.run({"x": WORST[0], "w": -WORST[1]})["y"].tolist() == [WORST[0][0]]


@pytest.mark.parametrize("memory_mb", [512, 4096])
def test_a_network_that_wants_all_memory_is_refused_it(session, memory_mb):
    growing = session(swelling(), memory_mb=memory_mb)
    x = np.ones(1, np.float32)
    started = time.monotonic()
    with pytest.raises(ReaderFailed, match=f"more than {memory_mb} MiB") as caught:
        growing.run({"x": x, "n": np.array([2_500_000_000])})
    assert time.monotonic() - started < 10
    assert "readers.memory_mb" in caught.value.remedy
    assert growing.run({"x": x, "n": np.array([3])})["y"].tolist() == [1, 1, 1]


def test_what_it_may_have_it_gets(session):
    growing = session(swelling(), memory_mb=512)
    found = growing.run({"x": np.ones(1, np.float32), "n": np.array([1 << 24])})["y"]
    assert found.nbytes == 64 << 20


def test_a_network_that_wants_all_memory_to_be_loaded_is_refused(session):
    """The runtime would compute a constant at once; where it may not, it leaves that to the first call."""
    with pytest.raises((BundleRefused, ReaderFailed), match=r"more than 512 MiB|no network"):
        session(swollen(), memory_mb=512).run({"x": np.ones(1, np.float32)})


def test_a_network_without_end_is_ended_and_the_next_study_is_read(session):
    loop = session(looping(), longest_s=0.5)
    started, pid = time.monotonic(), pid_of(loop)
    with pytest.raises(ReaderFailed, match=r"without end.*within 0.5 s"):
        loop.run(ENDLESS)
    assert time.monotonic() - started < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert loop.run(turns(2))["y"] == 3


def test_a_process_that_is_killed_at_work_is_no_fault_of_the_study(session):
    loop = session(looping())
    assert loop.run(turns(2))["y"] == 3
    killer, pid = killed_at_work(loop, 1, threading.Event()), pid_of(loop)
    assert loop.run(LONG)["y"] == 1 + LONG["n"]
    killer.join()
    assert pid_of(loop) != pid


def test_a_process_that_is_killed_each_time_fails_the_study_and_no_other(session):
    loop = session(looping())
    enough = threading.Event()
    killer = killed_at_work(loop, 99, enough)  # one of them may hit the process before it is asked
    with pytest.raises(ReaderFailed, match=r"ended its process \(SIGKILL\)"):
        loop.run(ENDLESS)
    enough.set()
    killer.join()
    assert loop.run(turns(2))["y"] == 3


def test_a_process_ends_with_the_worker_that_it_computes_for(tmp_path):
    path = tmp_path / "weights.onnx"
    path.write_bytes(looping())
    command = [sys.executable, "-c", WORKER, path, hashlib.sha256(looping()).hexdigest()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        pid = int(worker.stdout.readline())
        until = time.monotonic() + 20
        while not is_at_work(pid) and time.monotonic() < until:
            time.sleep(0.01)
        worker.kill()
    while is_at_work(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_at_work(pid)


def test_a_process_is_kept_between_studies_and_gives_its_memory_back_when_idle(session, monkeypatch):
    monkeypatch.setattr(apart, "IDLE_S", 0.3)
    dividing = session(dividing_network())
    x, first = np.ones((1, 2), np.float32), pid_of(dividing)
    expected = dividing.run({"x": x})["y"]
    assert pid_of(dividing) == first
    assert child_of(dividing).process.wait(10) == 0
    np.testing.assert_array_equal(dividing.run({"x": x})["y"], expected)
    assert pid_of(dividing) != first


def test_studies_that_are_read_side_by_side_get_their_own_answers(session, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    dividing = session(dividing_network())
    wrong = []

    def ask(number: int) -> None:
        for turn in range(20):
            x = np.full((1, 2), 8 * number + turn, np.float32)
            if dividing.run({"x": x})["y"].tolist() != [[x[0, 0] / 2, x[0, 0] / 4]]:
                wrong.append((number, turn))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(child.is_alive for child in dividing._network._pool.children) <= 3


def test_a_session_that_nobody_holds_takes_its_process_along(session):
    dividing = session(dividing_network())
    pid = pid_of(dividing)
    del dividing
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_process_sees_no_secret_and_has_limits(session, monkeypatch):
    monkeypatch.setenv("COREAD_DATABASE__PASSWORD_FILE", "/run/secrets/of_the_archive")
    held = session(dividing_network(), memory_mb=512)
    seen = Path(f"/proc/{pid_of(held)}")
    if not seen.is_dir():
        pytest.skip("the system has no /proc")
    assert b"COREAD" not in (seen / "environ").read_bytes()
    limits = (seen / "limits").read_text()
    soft = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
    assert (soft["Max file size"], soft["Max core file size"], soft["Max open files"]) == ("0", "0", "3")
    assert int(soft["Max address space"]) < 2 << 30
    assert int(soft["Max cpu time"]) <= apart.LONGEST_LOAD_S + 5


ANSWERS = {
    "nothing": b"",
    "noise": b"\x10\0\0\0{'no': 'message'}",
    "a text of 4 GB": b"\xff\xff\xff\xff",
    "arrays of 4 GB": struct.pack("<I", 42) + b'{"arrays": [["|u1", [4294967296]], ["", 0]]}'[:42],
    "no inputs": struct.pack("<I", 14) + b'{"arrays": []}',
    "odd inputs": struct.pack("<I", 42) + b'{"arrays": [], "inputs": 1, "outputs": 1} ',
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_process_that_a_stranger_has_taken_over_can_say_what_it_likes(
    session, monkeypatch, tmp_path, answer
):
    script = tmp_path / "taken.py"
    script.write_text(f"import os\nos.write(1, {ANSWERS[answer]!r})\nwhile os.read(0, 1 << 16): pass\n")
    monkeypatch.setattr(apart, "_SCRIPT", script)
    monkeypatch.setattr(apart, "LONGEST_LOAD_S", 1.0)
    with pytest.raises(BundleRefused):
        session(dividing_network())


@dataclass(frozen=True)
class Dividing(ExampleReader):
    """A reader whose network falls on dark images."""

    session: Session | None = None

    def read(self, image):
        dark = image.header.facts["InstanceNumber"] == "13"
        x = WORST[0] if dark else -WORST[1]
        return ReaderOutput(float(self.session.run({"x": x, "w": WORST[1]})["y"][0] < 0))


def test_the_reading_says_what_happened_and_the_next_is_made(session):
    example = vars(brightness(Machine()))
    reader = Dividing(**example, session=session(falling()))

    def reading(number: int):
        image = open_object(chest_radiograph(facts={"InstanceNumber": number}))
        study = Study(
            image.header.ref.study_instance_uid, (Instance(image.header, "a.dcm", "00", 1, None, "stow"),)
        )
        return run(reader, Case(study, 1, (image,)))

    failed = reading(13)
    assert failed.outcome is Outcome.FAILED
    assert "[1603]" in failed.reason.text
    for part in ("SIGFPE", "Expected: an answer", "What to do: report it"):
        assert part in failed.reason.text
    assert reading(12).outcome is Outcome.FINDINGS
