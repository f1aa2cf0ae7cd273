"""What every test may ask for: tools of the house's peers and the real image sets."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import coverage
import hypothesis
import pytest

if TYPE_CHECKING:
    from postgres_cluster import Cluster

_TRACING = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
_ROOT = Path(__file__).resolve().parent.parent


# Tests are never timed: a busy machine is no fault of what is tested.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold a slow test: the last to start must not be the longest."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no coverage during a slow test: tracing nearly doubles its work, and others cover its lines."""
    if item.get_closest_marker("slow") is None:
        return (yield)
    with _untraced():
        return (yield)


@contextlib.contextmanager
def _untraced() -> Iterator[None]:
    """Stop coverage here, and in the processes that are started meanwhile."""
    tracing = coverage.Coverage.current()
    if tracing is None:
        yield
        return
    kept = {name: os.environ.pop(name) for name in _TRACING if name in os.environ}
    tracing.stop()
    try:
        yield
    finally:
        tracing.start()
        os.environ.update(kept)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down what a worker covered while there is time: one that is slow to end is killed after 10 s."""
    measuring = coverage.Coverage.current()
    if measuring is None or not hasattr(session.config, "workerinput"):
        return
    measuring.stop()
    with warnings.catch_warnings(action="ignore"):
        measuring.save()


def _missing(reason: str) -> None:
    """Skip, or fail where every peer must be present (continuous integration)."""
    if os.environ.get("COREAD_REQUIRE_PEERS") == "1":
        pytest.fail(f"required here, but {reason}")
    pytest.skip(reason)


def require_tool(name: str) -> str:
    """Return the path of a peer's program, or skip with the reason."""
    path = shutil.which(name)
    for folder in ("/usr/sbin", "/usr/lib/postgresql/15/bin"):
        path = path or shutil.which(name, path=folder)
    if path is None:
        _missing(f"{name} is not installed (see CONTRIBUTING.md for the Debian packages)")
    return str(path)


@pytest.fixture
def tool():
    """Give a function that finds a peer's program by name."""
    return require_tool


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of the real image sets, or skip with the reason."""
    folder = Path(os.environ.get("COREAD_SHARED_DATA", _ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        _missing("the real image sets are not here (set COREAD_SHARED_DATA)")
    return folder


@pytest.fixture
def free_port() -> int:
    """Give a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """Give a private PostgreSQL server, or skip with the reason."""
    programs = (require_tool("initdb"), require_tool("pg_ctl"))
    from postgres_cluster import Cluster  # noqa: PLC0415  psycopg is an extra

    cluster = Cluster(*programs)
    yield cluster
    cluster.stop()


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """Give the URL of an empty database that is gone after the test."""
    name = f"coread_{uuid.uuid4().hex[:12]}"
    postgres_cluster.execute(f"CREATE DATABASE {name}")
    yield postgres_cluster.url(name)
    postgres_cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database, once for each database system that the house supports."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))
