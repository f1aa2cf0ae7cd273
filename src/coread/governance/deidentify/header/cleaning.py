"""Walks the elements of a data set once and does with each what the plan says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from coread.governance.deidentify.header.changes import Change
from coread.governance.deidentify.header.plan import CODE_WORDS, NO_IDENTITY_UIDS, Plan, is_standard_scheme
from coread.governance.deidentify.header.subject import AGE_VR, Subject, told_age
from coread.governance.deidentify.replacing import Pseudonyms, dummy_of, shift_date, shift_datetime
from coread.governance.deidentify.rules import Action
from coread.governance.deidentify.stream import Element, Item, vr_of
from coread.governance.deidentify.texts import (
    Known,
    decoded,
    encoded,
    encodings_of,
    only_allowed,
    remove_patterns,
    remove_persons,
)

_One = Callable[[Element, Item], None]

#: Patient Name and Patient ID.
_PATIENT = frozenset((0x00100010, 0x00100020))
_CHARACTER_SET = 0x00080005
_CODING_SCHEME = 0x00080102
#: First byte of the groups of curves and overlays.
_OVERLAYS = 0x60
_GRAPHICS = frozenset((0x50, _OVERLAYS))
_SHOWN_BYTES = 256
#: Binary values up to this size are searched for what is known.
_SEARCHED_BYTES = 1 << 20

#: Groups of pixel and waveform samples: numbers, not texts.
_SAMPLES = frozenset((0x7FE0, 0x5400))

_TEXTS = frozenset((b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"AE", b"UR"))
#: Values that name nobody unless the table says so: most elements of most objects.
_NUMBERS = frozenset((b"US", b"DS", b"IS", b"FD", b"FL", b"UL", b"SS", b"SL", b"TM", b"AT"))
_FIRST_GRAPHICS = 0x50000000
_FREE_TEXTS = frozenset((b"ST", b"LT", b"UT", b"UC"))
_DATES = frozenset((b"DA", b"DT"))
_BINARY = frozenset((b"OB", b"UN"))
_BINARY_NUMBERS = frozenset((b"US", b"SS", b"UL", b"SL", b"FL", b"FD", b"AT"))
#: Relationship Type, Value Type, Continuity of Content: how a report is built, whatever a person is called.
#: Optional, but never without an item (PS3.3 C.7.2.1, table 10-9); only in a report's Referenced Request
#: Sequence it must be there, and may be empty (PS3.3 C.17.2).
_REFERENCED_STUDY, _REFERENCED_REQUEST = 0x00081110, 0x0040A370
_STRUCTURE = frozenset((0x0040A010, 0x0040A040, 0x0040A050))


class HeaderCleaner:
    """De-identifies the data set of one object; made anew for each.

    Parameters
    ----------
    plan
        The profile, made ready.
    pseudonyms
        The domain's pseudonyms.
    subject
        Who the object is about: pseudonym and date shift.
    known
        What the header says of persons.
    """

    def __init__(self, plan: Plan, pseudonyms: Pseudonyms, subject: Subject, known: Known) -> None:
        self._plan = plan
        self._pseudonyms = pseudonyms
        self._subject = subject
        self._known = known
        self._path: tuple[int, ...] = ()
        self._encodings: tuple[str, ...] = ("ascii",)
        self.changes: list[Change] = []
        self._act = {
            Action.REMOVE: self._remove,
            Action.EMPTY: self._empty,
            Action.DUMMY: self._dummy,
            Action.UID: self._uid,
            Action.KEEP: self._keep,
            Action.CLEAN: self._clean,
        }

    def clean(self, elements: Item) -> Item:
        """Return the data set's elements as they may go out; the given ones are changed in place."""
        return self._each(elements, self._one)

    def _each(self, elements: Item, one: _One) -> Item:
        made = Item(elements.offset)
        encodings, creators = self._encodings, _creators(elements)
        used: set[int] = set()
        listed, is_plain = self._plan.actions, one == self._one
        for element in elements:
            tag = element.tag
            if (
                element.vr in _NUMBERS
                and is_plain
                and not (tag & 0x10000 or tag >= _FIRST_GRAPHICS or tag in listed)
            ):
                made.append(element)
                continue
            if tag == _CHARACTER_SET:
                self._encodings = encodings_of(bytes(element.value))
            if tag & 0x10000:
                self._private(element, creators, made, used)
            else:
                one(element, made)
        self._encodings = encodings
        if creators:
            _drop_unused(made, used)
        return made

    # -- one attribute ---------------------------------------------------------------------------------

    def _one(self, element: Element, made: Item) -> None:
        tag = element.tag
        action = self._plan.actions.get(tag)
        if tag in _PATIENT:
            self._put(element, made, action or Action.DUMMY, self._subject.pseudonym.encode())
        elif action is not None:
            self._act[action](element, made)
        else:
            self._unlisted(element, made)

    def _unlisted(self, element: Element, made: Item) -> None:
        tag, vr = element.tag, element.vr
        high = tag >> 24
        if high in _GRAPHICS:
            self._overlay_or_curve(element, made)
        elif element.items is not None:
            self._recurse(element, made)
        elif vr in _TEXTS:
            self._text(element, made, weak=vr in _FREE_TEXTS and tag not in CODE_WORDS)
        elif vr == b"PN":
            self._dummy(element, made)
        elif vr == b"UI":
            self._keep(element, made) if tag in NO_IDENTITY_UIDS else self._uid(element, made)
        elif vr in _DATES:
            self._act[self._plan.dates](element, made)
        elif vr == b"UN" or vr_of(tag) == b"UN":
            self._drop(element, "unknown to the standard")
        elif vr == b"CS":
            self._code(element, made)
        elif vr == b"OB" and not element.encapsulated and self._names_someone(element):
            self._drop(element, "names someone")
        else:
            made.append(element)

    # -- actions of table E.1-1a -----------------------------------------------------------------------

    def _remove(self, element: Element, _: Item) -> None:
        self._drop(element, Action.REMOVE)

    def _empty(self, element: Element, made: Item) -> None:
        if element.tag == _REFERENCED_STUDY and self._path[-1:] != (_REFERENCED_REQUEST,):
            self._drop(element, Action.REMOVE)
            return
        if element.items is not None:
            if element.items:
                self._note(element, Action.EMPTY, b"")
            element.items = []
            made.append(element)
            return
        self._put(element, made, Action.EMPTY, b"")

    def _dummy(self, element: Element, made: Item) -> None:
        if element.items is not None:
            self._note(element, Action.DUMMY, b"")
            self._within(element, made, self._dummied)
        else:
            self._put(element, made, Action.DUMMY, dummy_of(element.vr) if element.value else b"")

    def _uid(self, element: Element, made: Item) -> None:
        if element.items is not None:
            self._recurse(element, made)
            return
        if element.vr != b"UI":
            self._dummy(element, made)
            return
        if self._plan.keeps_uids:
            made.append(element)
            return
        old = bytes(element.value).decode("latin-1").strip("\0 ")
        new = "\\".join(self._pseudonyms.uid(part.strip("\0 ")) for part in old.split("\\"))
        self._put(element, made, Action.UID, new.encode("latin-1"))

    def _keep(self, element: Element, made: Item) -> None:
        if element.items is not None:
            self._recurse(element, made)
        elif element.vr == AGE_VR:
            self._age(element, made)
        elif element.vr in _TEXTS:
            self._text(element, made, weak=False)
        else:
            made.append(element)

    def _clean(self, element: Element, made: Item) -> None:
        vr = element.vr
        if element.items is not None:
            self._recurse(element, made)
        elif vr in _DATES:
            self._shift(element, made)
        elif vr == b"TM":
            made.append(element)
        elif vr == b"AE":
            self._dummy(element, made)  # names a system of one hospital
        elif vr in _TEXTS or vr == b"CS":
            self._text(element, made, weak=True)
        elif vr == AGE_VR:
            self._age(element, made)
        else:
            self._dummy(element, made)

    # -- kinds of values -------------------------------------------------------------------------------

    def _shift(self, element: Element, made: Item) -> None:
        text = bytes(element.value).decode("latin-1")
        move = shift_date if element.vr == b"DA" else shift_datetime
        moved = move(text, self._subject.shift_days)
        self._put(
            element, made, Action.CLEAN, dummy_of(element.vr) if moved is None else moved.encode("latin-1")
        )

    def _text(self, element: Element, made: Item, *, weak: bool) -> None:
        before = decoded(element.value, self._encodings)
        after = self._freed(before, weak=weak, is_code=element.tag in CODE_WORDS)
        if after is before or after == before:
            made.append(element)
            return
        bare = after.strip(" ,;:/-_\0")
        self._put(
            element, made, Action.CLEAN, encoded(after, self._encodings) if bare else dummy_of(element.vr)
        )

    def _freed(self, text: str, *, weak: bool, is_code: bool) -> str:
        """Free a text of what names someone, until nothing more is found: twice is once.

        Patterns come first: they need the labels and titles that stand around a name. What the header names
        goes whole before persons are looked for whom it does not name.
        """
        while True:
            freed = self._known.remove(text if is_code else remove_patterns(text, weak=weak))
            freed = freed if is_code or not weak else self._less_persons(freed)
            if freed == text:
                return text
            text = freed

    def _less_persons(self, text: str) -> str:
        freed = remove_persons(text)
        return only_allowed(freed) if self._plan.profile.texts.keep == "words of reports" else freed

    def _code(self, element: Element, made: Item) -> None:
        text = decoded(element.value)
        if len(text) > 3 and element.tag not in _STRUCTURE and self._known.is_in(text):
            self._put(
                element, made, Action.CLEAN, encoded(self._known.remove(text)).upper() or dummy_of(b"CS")
            )
        else:
            made.append(element)

    def _age(self, element: Element, made: Item) -> None:
        profile = self._plan.profile
        told = told_age(bytes(element.value), profile.age_cap_years, profile.age_bin_years)
        self._put(element, made, Action.CLEAN, told)

    def _overlay_or_curve(self, element: Element, made: Item) -> None:
        if element.tag >> 24 == _OVERLAYS and self._plan.cleans_graphics:
            if element.vr in _TEXTS:
                self._text(element, made, weak=True)
            else:
                made.append(element)
        else:
            self._drop(element, Action.REMOVE)

    def _names_someone(self, element: Element) -> bool:
        if element.tag >> 16 in _SAMPLES or len(element.value) > _SEARCHED_BYTES:
            return False
        return self._known.is_in_bytes(element.value)

    # -- sequences and private blocks ------------------------------------------------------------------

    def _recurse(self, element: Element, made: Item) -> None:
        self._within(element, made, self._one)

    def _within(self, element: Element, made: Item, one: _One) -> None:
        outer = self._path
        self._path = (*outer, element.tag)
        element.items = [self._each(item, one) for item in element.items or ()]
        self._path = outer
        made.append(element)

    def _dummied(self, element: Element, made: Item) -> None:
        """Treat an element inside a sequence that shall be a dummy: its shape stays, no value does."""
        tag, vr = element.tag, element.vr
        if self._plan.actions.get(tag) is Action.REMOVE:
            self._drop(element, Action.REMOVE)
        elif element.items is not None:
            self._within(element, made, self._one if _is_standard_code(element) else self._dummied)
        elif vr == b"UI":
            self._uid(element, made)
        elif vr == b"CS" or not element.value:
            made.append(element)
        elif vr in _BINARY_NUMBERS:
            self._put(element, made, Action.DUMMY, bytes(len(element.value)))  # as many values as there were
        else:
            self._put(element, made, Action.DUMMY, dummy_of(vr))

    def _private(self, element: Element, creators: dict[int, str], made: Item, used: set[int]) -> None:
        tag = element.tag
        group, low = tag >> 16, tag & 0xFFFF
        if 0x10 <= low <= 0xFF:
            made.append(element)  # dropped at the end where nothing of its block stayed
            return
        block = tag & ~0xFFFF | low >> 8
        is_safe = (creators.get(block, ""), group, low & 0xFF) in self._plan.safe_private
        if not is_safe or self._tells(element):
            self._drop(element, "private, on no safe list" if not is_safe else "names someone")
            return
        used.add(block)
        if element.items is not None:
            self._recurse(element, made)
        elif element.vr in _DATES:
            self._act[self._plan.dates](element, made)
        elif element.vr == b"UI":
            self._uid(element, made)
        else:
            made.append(element)

    def _tells(self, element: Element) -> bool:
        if element.items is not None:
            return False
        if element.vr == b"PN":
            return True
        if element.vr in _TEXTS or element.vr == b"CS":
            text = decoded(element.value, self._encodings)
            return self._known.is_in(text) or remove_patterns(text, weak=True) != text
        return element.vr in _BINARY and self._names_someone(element)

    # -- results ---------------------------------------------------------------------------------------

    def _put(self, element: Element, made: Item, action: str, value: bytes) -> None:
        if bytes(element.value).rstrip(b" \0") != value.rstrip(b" \0"):
            self._note(element, action, value)
            element.value = value
        made.append(element)

    def _drop(self, element: Element, action: str) -> None:
        self._note(element, action, None)

    def _note(self, element: Element, action: str, after: bytes | None) -> None:
        before = bytes(element.value[:_SHOWN_BYTES])
        shown = after if after is None else after[:_SHOWN_BYTES]
        self.changes.append(Change((*self._path, element.tag), str(action), before, shown))


def _creators(elements: Item) -> dict[int, str]:
    """Map each private block (group, block number) to its creator (PS3.5 section 7.8.1)."""
    return {
        element.tag: bytes(element.value).decode("latin-1").strip(" \0")
        for element in elements
        if element.tag & 0x10000 and 0x10 <= element.tag & 0xFFFF <= 0xFF and element.items is None
    }


def _drop_unused(made: Item, used: set[int]) -> None:
    made[:] = [
        element
        for element in made
        if not (element.tag & 0x10000 and 0x10 <= element.tag & 0xFFFF <= 0xFF) or element.tag in used
    ]


def _is_standard_code(element: Element) -> bool:
    return all(_scheme_is_standard(item) for item in element.items or ()) and bool(element.items)


def _scheme_is_standard(item: Item) -> bool:
    schemes: Iterator[Element] = (e for e in item if e.tag == _CODING_SCHEME)
    found = next(schemes, None)
    return found is not None and is_standard_scheme(bytes(found.value).decode("latin-1").strip(" \0"))
