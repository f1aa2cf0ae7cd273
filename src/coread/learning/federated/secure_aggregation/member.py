"""A site's part in one attempt of secure aggregation. Its secrets live in memory, for this attempt only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from coread.errors import FederationRefused
from coread.learning.federated.keys import verifier
from coread.learning.federated.orders import Sign, canonical
from coread.learning.federated.secure_aggregation.ring import Ring
from coread.learning.federated.secure_aggregation.secrets import (
    KEY_BYTES,
    agreed,
    new_key,
    public_of,
    seal,
    split,
    stream,
    unseal,
)


@dataclass(frozen=True)
class Attempt:
    """What all sites of one attempt agree on."""

    plan: str
    name: str
    """Round and try; never used twice."""
    threshold: int
    keys: Mapping[str, str]
    """Signing key (hex) of each site, from the plan."""

    def about(self, purpose: str, *sites: str) -> bytes:
        """Bytes that bind keys and notes to this attempt and these sites."""
        return canonical([self.plan, self.name, purpose, *sites])


@dataclass(frozen=True)
class Advert:
    """The public keys of a site for one attempt, signed with the key that stands in the plan."""

    notes: str
    """X25519, for sealed notes (hex)."""
    masks: str
    """X25519, for masks (hex)."""
    signature: str

    def text(self, attempt: Attempt, site: str) -> bytes:
        """What is signed."""
        return attempt.about("keys", site, self.notes, self.masks)


class Member:
    """One site in one attempt; the four steps come in order, each once.

    Parameters
    ----------
    site
        Its name.
    attempt
        From the site's own copy of the plan.
    sign
        With the key that stands in the plan.
    """

    def __init__(self, site: str, attempt: Attempt, sign: Sign) -> None:
        self.site, self.attempt = site, attempt
        self._sign = sign
        self._notes, self._masks, self._seed = new_key(), new_key(), os.urandom(KEY_BYTES)
        self._adverts: dict[str, Advert] = {}
        self._sharing: tuple[str, ...] = ()
        self._held: dict[str, tuple[bytes, bytes]] = {}
        self._told: tuple[str, ...] | None = None

    def advertise(self) -> Advert:
        """Step 1: public keys."""
        notes, masks = public_of(self._notes).hex(), public_of(self._masks).hex()
        unsigned = Advert(notes, masks, "")
        return Advert(notes, masks, self._sign(unsigned.text(self.attempt, self.site)).hex())

    def share(self, adverts: Mapping[str, Advert]) -> dict[str, str]:
        """Step 2: shares of this site's two secrets, sealed for each other site (hex).

        Raises
        ------
        FederationRefused
            If keys of a site are not signed by it, are too few, or were given before.
        """
        if self._adverts or len(adverts) < self.attempt.threshold or self.site not in adverts:
            raise _refused(f"keys of {len(adverts)} sites", f"at least {self.attempt.threshold}, once")
        for site, advert in adverts.items():
            key, signature = self.attempt.keys.get(site, ""), bytes.fromhex(advert.signature)
            if not verifier(key, signature, advert.text(self.attempt, site)):
                raise _refused(f"keys that {site} did not sign", "the keys of a site of the plan")
        self._adverts = dict(adverts)
        holders = sorted(adverts)
        seeds = split(self._seed, holders, self.attempt.threshold)
        keys = split(self._masks.private_bytes_raw(), holders, self.attempt.threshold)
        self._held[self.site] = (seeds[self.site], keys[self.site])
        return {
            peer: seal(self._note_key(peer), seeds[peer] + keys[peer], self._note(self.site, peer)).hex()
            for peer in holders
            if peer != self.site
        }

    def mask(self, values: Ring, notes: Mapping[str, str]) -> Ring:
        """Step 3: hide the values.

        Parameters
        ----------
        values
            Numbers modulo 2^64.
        notes
            Sealed for this site by each other site that still takes part (hex).

        Raises
        ------
        FederationRefused
            If a note was changed, too few sites are left, or values were masked before.
        """
        sharing = (*sorted(notes), self.site)
        if self._sharing or len(sharing) < self.attempt.threshold or not set(sharing) <= set(self._adverts):
            raise _refused(
                f"notes of {len(notes)} sites", f"those of {self.attempt.threshold - 1} others, once"
            )
        for peer, sealed in notes.items():
            note = unseal(self._note_key(peer), bytes.fromhex(sealed), self._note(peer, self.site))
            self._held[peer] = (note[: len(note) // 2], note[len(note) // 2 :])
        self._sharing = tuple(sorted(sharing))
        hidden = values + stream(self._seed, values.size)
        for peer in notes:
            mask = stream(
                agreed(self._masks, bytes.fromhex(self._adverts[peer].masks), self._pair(peer)), values.size
            )
            hidden = hidden + mask if self.site < peer else hidden - mask
        return hidden

    def unmask(self, survivors: tuple[str, ...]) -> dict[str, tuple[str, str]]:
        """Step 4: for each site a share of one secret, never of both.

        Parameters
        ----------
        survivors
            Sites whose masked values the coordinator has.

        Returns
        -------
        dict
            By site, ``("seed", share)`` of a survivor, ``("key", share)`` of one that dropped out (hex).

        Raises
        ------
        FederationRefused
            If too few survive, one is a stranger, or other survivors were named before.
        """
        named = tuple(sorted(survivors))
        if self._told not in (None, named) or not set(named) <= set(self._sharing):
            raise _refused("other survivors than before", "the sites that masked their values, once")
        if len(named) < self.attempt.threshold:
            raise _refused(f"{len(named)} survivors", f"at least {self.attempt.threshold}")
        self._told = named
        return {
            site: ("seed", self._held[site][0].hex()) if site in named else ("key", self._held[site][1].hex())
            for site in self._sharing
        }

    def _note_key(self, peer: str) -> bytes:
        other = bytes.fromhex(self._adverts[peer].notes)
        return agreed(self._notes, other, self.attempt.about("notes", *sorted((self.site, peer))))

    def _note(self, sender: str, to: str) -> bytes:
        return self.attempt.about("note", sender, to)

    def _pair(self, peer: str) -> bytes:
        return self.attempt.about("mask", *sorted((self.site, peer)))


def _refused(found: str, expected: str) -> FederationRefused:
    return FederationRefused(found, expected, "begin the attempt anew", "secure aggregation")
