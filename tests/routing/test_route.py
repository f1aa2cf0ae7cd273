"""Which readers see which study, in which order, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coread.domain.study import Header, Instance, InstanceRef, Study
from coread.routing import Priority, RoutedReader, default_rules, explain, load_rules, originals, route

DX = "1.2.840.10008.5.1.4.1.1.1.1"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
SC = "1.2.840.10008.5.1.4.1.1.7"
STUDY = "1.2.3"


def instance(number: int = 1, sop_class: str = DX, source: str = "dimse:CR_ROOM_2", **facts: str) -> Instance:
    """Give an instance of facts alone: routing never sees a pixel."""
    ref = InstanceRef(STUDY, f"{STUDY}.1", f"{STUDY}.1.{number}", sop_class)
    header = Header(ref, "1.2.840.10008.1.2.1", facts)
    return Instance(header, "ab/cd/ef.dcm", "00", 1, datetime(2024, 1, 1, tzinfo=UTC), source)


def study(*instances: Instance) -> Study:
    return Study(STUDY, instances)


def chest(**facts: str) -> Study:
    return study(instance(**{"Modality": "DX", "BodyPartExamined": "CHEST", **facts}))


READERS = ("a", "b", "c")


def rules(text: str):
    return load_rules(text, READERS, ("pacs", "record"))


def rule(name: str, rest: str) -> str:
    return f'[[rule]]\nname = "{name}"\nowner = "test"\n{rest}\n'


def matches(when: str, images) -> bool:
    return route(images, rules(rule("r", f"when = {{ {when} }}\nreaders = ['a']"))).readers != ()


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("Modality = 'DX'", True),
        ("Modality = 'dx'", True),
        ("Modality = ['CR', 'CT']", False),
        ("Modality = { none_of = ['CR', 'CT'] }", True),
        ("Modality = { none_of = ['CR', 'DX'] }", False),
        ("Laterality = { none_of = 'L' }", True),
        ("BodyPartExamined = { contains = 'hest' }", True),
        ("BodyPartExamined = { contains = ['HAND', 'EST'] }", True),
        ("BodyPartExamined = { contains = 'HAND' }", False),
        ("StudyDescription = { starts_with = 'THORAX' }", True),
        ("StudyDescription = { starts_with = 'ORAX' }", False),
        ("Rows = { at_least = 500 }", True),
        ("Rows = { at_least = 501 }", False),
        ("Rows = { at_most = 500 }", True),
        ("Columns = { at_most = 500 }", False),
        ("NumberOfFrames = { at_least = 1 }", False),
        ("ViewPosition = { present = false }", True),
        ("ViewPosition = { present = true }", False),
        ("Modality = { present = true }", True),
        ("ImageType = 'PRIMARY'", True),
        ("ImageType = { none_of = 'PRIMARY' }", False),
        ("Source = { starts_with = 'dimse:CR' }", True),
        ("SOPClassUID = '1.2.840.10008.5.1.4.1.1.1.1'", True),
        ("TransferSyntaxUID = { contains = '1.2.4' }", False),
        ("Modality = { one_of = 'DX', none_of = 'CR' }, Rows = 500", True),
    ],
)
def test_conditions(when, holds):
    images = chest(Rows="500", Columns="wide", ImageType="DERIVED\\PRIMARY", StudyDescription="Thorax ap")
    assert matches(when, images) is holds


def test_all_conditions_must_hold_on_one_image():
    images = study(
        instance(1, Modality="DX", BodyPartExamined="HAND"),
        instance(2, Modality="CT", BodyPartExamined="CHEST"),
    )
    assert not matches("Modality = 'DX', BodyPartExamined = 'CHEST'", images)
    assert matches("Modality = 'CT', BodyPartExamined = 'CHEST'", images)


def test_every_matching_rule_adds_and_the_most_urgent_priority_wins():
    text = (
        rule("one", "readers = ['a', 'b']\ndestinations = ['record']\npriority = 'low'")
        + rule("two", "readers = ['b', 'c']\ndestinations = ['pacs', 'record']\npriority = 'high'")
        + rule("three", "readers = ['b']\npriority = 'routine'")
    )
    found = route(chest(), rules(text))
    assert found.readers == (
        RoutedReader("b", Priority.HIGH),
        RoutedReader("c", Priority.HIGH),
        RoutedReader("a", Priority.LOW),
    )
    assert found.destinations == ("record", "pacs")
    assert found.priority is Priority.HIGH
    assert [decision.matched for decision in found.decisions] == [True, True, True]


def test_a_stop_hides_the_rules_below_it_only_if_it_matches():
    stopping = rule("stop", "when = {{ Modality = '{}' }}\nreaders = ['a']\nstop = true")
    after = rule("after", "readers = ['b']")
    assert [r.name for r in route(chest(), rules(stopping.format("DX") + after)).readers] == ["a"]
    assert [r.name for r in route(chest(), rules(stopping.format("CT") + after)).readers] == ["b"]


def test_the_fallback_counts_only_if_no_rule_matched():
    text = (
        rule("ct", "when = { Modality = 'CT' }\nreaders = ['a']")
        + "[fallback]\nreaders = ['c']\npriority = 'low'\n"
    )
    assert route(chest(), rules(text)).readers == (RoutedReader("c", Priority.LOW),)
    assert route(chest(Modality="CT"), rules(text)).readers == (RoutedReader("a", Priority.ROUTINE),)


@pytest.mark.parametrize(
    "result",
    [
        instance(9, sop_class=SR, Modality="SR"),
        instance(9, sop_class="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG"),
        instance(9, sop_class="1.2.840.10008.5.1.4.1.1.11.1", Modality="PR"),
        instance(9, sop_class="1.2.840.10008.5.1.4.1.1.30", Modality="OT"),
        instance(9, sop_class="1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC"),
        instance(9, sop_class="1.2.840.10008.5.1.4.1.1.88.59", Modality="KO"),
        instance(9, sop_class=SC, Modality="DX", Manufacturer="CoRead"),
        instance(9, sop_class=SC, Modality="DX", source="reader:chest-radiograph"),
    ],
    ids=lambda result: result.header.facts["Modality"],
)
def test_a_result_never_triggers_a_reader(result):
    text = rule("all", "readers = ['a']") + "[fallback]\nreaders = ['b']\n"
    found = route(study(result), rules(text))
    assert (found.readers, found.destinations) == ((), ())
    assert originals(study(instance(Modality="CT"), result)) == (instance(Modality="CT"),)
    assert "no original image" in explain(found)


@pytest.mark.parametrize("sop_class", [SC, "1.2.840.10008.5.1.4.1.1.481.1", "1.2.840.10008.5.1.4.1.1.6.1"])
def test_scanned_film_and_portal_images_are_images(sop_class):
    assert originals(study(instance(1, sop_class, Modality="OT")))


def test_the_explanation_says_why():
    text = (
        rule(
            "radiographs",
            "when = { Modality = ['CR', 'DX'], BodyPartExamined = { contains = 'CHEST' } }\nreaders = ['a']",
        )
        + rule("ct", "when = { Modality = 'CT', Rows = { at_least = 512 } }")
        + rule("anything", "destinations = ['pacs']")
    )
    assert explain(route(chest(Rows="300"), rules(text))).splitlines() == [
        "Priority: routine",
        "Readers: a (routine)",
        "Destinations: pacs",
        "- radiographs: matched because Modality is DX, one of CR, DX; BodyPartExamined contains CHEST",
        "- ct: not matched because Modality is DX, not one of CT; Rows is 300, less than 512",
        "- anything: matched because the rule asks for nothing",
    ]


def test_the_explanation_of_the_fallback_and_of_absence():
    text = rule(
        "view", "when = { ViewPosition = 'PA', Laterality = { none_of = 'L' }, Columns = { present = true } }"
    )
    assert explain(route(chest(), rules(text))).splitlines()[3:] == [
        "- view: not matched because ViewPosition is absent; Columns is absent",
        "- fallback: matched because no rule matched",
    ]


@pytest.mark.parametrize(
    "when",
    [
        "{k} = 'X'",
        "{k} = {{ none_of = 'X' }}",
        "{k} = {{ contains = 'CANARY' }}",
        "{k} = {{ contains = 'X' }}",
        "{k} = {{ starts_with = 'X' }}",
        "{k} = {{ present = true }}",
        "{k} = {{ present = false }}",
    ],
)
@pytest.mark.parametrize("keyword", ["Modality", "BodyPartExamined", "StudyDescription", "Source", "Rows"])
def test_no_value_of_an_element_is_repeated(keyword, when):
    facts = {"Modality": "DX", keyword: "CANARY^NAME"}
    source = facts.pop("Source", "folder")
    text = rule("r", f"when = {{ {when.format(k=keyword)} }}")
    assert "CANARY^NAME" not in explain(route(study(instance(1, source=source, **facts)), rules(text)))


@pytest.mark.parametrize(
    ("facts", "read"),
    [
        ({"Modality": "DX", "BodyPartExamined": "CHEST"}, True),
        ({"Modality": "CR", "BodyPartExamined": "Thorax"}, True),
        ({"Modality": "CR"}, True),
        ({"Modality": "CR", "BodyPartExamined": ""}, True),
        ({"Modality": "DX", "BodyPartExamined": "HAND"}, False),
        ({"Modality": "CT", "BodyPartExamined": "CHEST"}, False),
        ({"Modality": "GM", "StudyDescription": "Peripheral blood smear"}, True),
        ({"Modality": "XC", "SeriesDescription": "外周血涂片 100x"}, True),
        ({"Modality": "SM", "StudyDescription": "Skin biopsy"}, False),
    ],
)
def test_the_rules_that_ship(facts, read):
    shipped = load_rules(default_rules(), ["chest-radiograph", "blood-smear"], [])
    assert (route(study(instance(**facts)), shipped).readers != ()) is read


_FACTS = st.dictionaries(
    st.sampled_from(["Modality", "BodyPartExamined", "Rows"]), st.sampled_from(["DX", "CHEST", "500"])
)


@settings(deadline=None)
@given(st.lists(_FACTS, max_size=5), st.randoms())
def test_routing_does_not_depend_on_the_order_of_images(all_facts, random):
    text = rule("r", "when = { Modality = 'DX', Rows = { at_least = 400 } }\nreaders = ['a']") + rule(
        "s", "readers = ['b']"
    )
    images = [instance(number, **facts) for number, facts in enumerate(all_facts)]
    shuffled = random.sample(images, len(images))
    one, other = route(study(*images), rules(text)), route(study(*shuffled), rules(text))
    assert (one.readers, one.destinations) == (other.readers, other.destinations)
    assert one == route(study(*images), rules(text))
