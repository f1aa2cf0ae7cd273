"""The composition root: roles, what they load, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest

from coread.errors import RuleFault, SettingsFault


def test_a_gateway_takes_images_in_and_reads_nothing(house) -> None:
    made = house()
    made.clinic.start("gateway")
    uid = made.file(1)
    assert made.kinds(uid) == ["instance.filed"]
    assert made.clinic.worker is None


def test_a_gateway_loads_neither_inference_nor_result_writers_nor_the_engine() -> None:
    code = "import sys, coread.clinic; print(sorted({'onnxruntime', 'highdicom', 'dbos'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_face_knows_nothing_else() -> None:
    import coread.workflow  # noqa: PLC0415

    with pytest.raises(AttributeError):
        _ = coread.workflow.nothing
    assert all(hasattr(coread.workflow, name) for name in coread.workflow.__all__)


def test_a_second_worker_on_sqlite_is_refused_and_the_first_goes_on(house) -> None:
    first, second = house(), house()
    first.clinic.start()
    with pytest.raises(SettingsFault, match="another worker"):
        second.clinic.start("worker")
    uid = first.file(1)
    first.wait_for("study.read", uid)


def test_a_stopped_clinic_gives_its_place_free(house) -> None:
    with house().clinic.start():
        pass
    house().clinic.start()


def test_rules_that_name_no_reader_of_ours_are_refused_at_start(house) -> None:
    made = house(rules='[[rule]]\nname = "x"\nowner = "y"\nreaders = ["none-such"]\n')
    with pytest.raises(RuleFault, match="none-such"):
        made.clinic.start()


def test_without_a_rules_file_the_rules_that_ship_are_used(house) -> None:
    made = house(COREAD_ROUTING__RULES="")
    made.clinic.settings = made.clinic.settings.model_copy(
        update={"routing": made.clinic.settings.routing.model_copy(update={"rules": None})}
    )
    with pytest.raises(RuleFault, match="chest-radiograph"):
        _ = made.clinic.rules


def test_readers_are_loaded_at_start_where_wanted(house) -> None:
    made = house(COREAD_READERS__WARM_UP="true")
    made.clinic.start()
    made.wait(lambda: len(made.clinic.registry._loaded) == len(made.clinic.registry.names))
