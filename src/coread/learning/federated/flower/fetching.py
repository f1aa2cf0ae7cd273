"""Fetching a message's parts from SuperLink, looking for what is not there yet twenty times a second.

A message is announced before its parts are pushed. Flower looks again after 1, 2, 4, 8 and then every 10
seconds; a masked update of 20 MB would wait longer than it travels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flwr.app import Message
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents, pull_objects

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.4

MOST_S = 300.0
"""Longest wait for parts: SuperLink gives up a push that stands still for 180 s."""


def fetched(tree: Any, pull: Callable[[str], bytes], confirm: Callable[[str], Any]) -> Message:
    """Fetch a message with all its parts.

    Parameters
    ----------
    tree
        Of its parts.
    pull
        Gives one part.
    confirm
        Told that the message is here.

    Raises
    ------
    ObjectPullError
        If a part does not come.
    """
    number = str(tree.object_id)
    contents = pulled([one.object_id for one in iterate_object_tree(tree)], pull)
    confirm(number)
    message = cast(Message, inflate_object_from_contents(number, contents))
    message.metadata.__dict__["_message_id"] = number
    return message


def pulled(numbers: list[str], pull: Callable[[str], bytes]) -> dict[str, bytes]:
    """Pull parts, looking again and again for those that are not there yet.

    Raises
    ------
    ObjectPullError
        If one does not come within `MOST_S`.
    """
    made: dict[str, bytes] = pull_objects(
        numbers,
        pull,
        max_time=MOST_S,
        max_tries_per_object=None,
        initial_backoff=FIRST_PAUSE_S,
        backoff_cap=LONGEST_PAUSE_S,
    )
    return made
