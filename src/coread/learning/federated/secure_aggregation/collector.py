"""The coordinator's part in one attempt of secure aggregation: it adds masked values and unmasks the sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from coread.errors import FederationRefused
from coread.learning.federated.secure_aggregation.member import Advert, Attempt
from coread.learning.federated.secure_aggregation.ring import Ring
from coread.learning.federated.secure_aggregation.secrets import agreed, join, stream


class Collector:
    """Gathers one attempt. It holds public keys, sealed notes, one running sum and shares; nothing else.

    Parameters
    ----------
    attempt
        What all sites agree on.
    adverts
        Public keys of the sites that answered the first step.
    """

    def __init__(self, attempt: Attempt, adverts: Mapping[str, Advert]) -> None:
        self.attempt, self.adverts = attempt, dict(sorted(adverts.items()))
        self._notes: dict[str, Mapping[str, str]] = {}
        self._sum: Ring | None = None
        self._masked: set[str] = set()

    def keep_notes(self, site: str, notes: Mapping[str, str]) -> None:
        """Take the notes that a site sealed for the others."""
        if site in self.adverts and set(notes) == set(self.adverts) - {site}:
            self._notes[site] = dict(notes)

    @property
    def sharing(self) -> tuple[str, ...]:
        """Sites that gave their notes."""
        return tuple(sorted(self._notes))

    @property
    def survivors(self) -> tuple[str, ...]:
        """Sites whose masked values are in the sum."""
        return tuple(sorted(self._masked))

    def notes_for(self, site: str) -> dict[str, str]:
        """Notes that the others sealed for a site."""
        return {peer: notes[site] for peer, notes in self._notes.items() if peer != site}

    def add(self, site: str, values: Ring) -> None:
        """Add a site's masked values to the sum; they are not kept.

        Raises
        ------
        FederationRefused
            If the site gave no notes, gave values before, or its values are of another length.
        """
        fits = self._sum is None or self._sum.size == values.size
        if site not in self._notes or site in self._masked or not fits:
            raise FederationRefused("values that do not fit", "one vector from each site", "", site)
        self._sum = values.copy() if self._sum is None else self._sum + values
        self._masked.add(site)

    def total(self, shares: Mapping[str, Mapping[str, tuple[str, str]]]) -> Ring:
        """Take the masks off the sum.

        Parameters
        ----------
        shares
            By site that answered the last step, what it said of each site.

        Raises
        ------
        FederationRefused
            If fewer sites than the threshold answered.
        """
        if self._sum is None:
            raise FederationRefused("no masked values", "those of the sites", "", "secure aggregation")
        total = self._sum
        for site in self.sharing:
            if site in self._masked:
                total = total - stream(self._secret(site, "seed", shares), total.size)
            else:
                total = self._without(site, self._secret(site, "key", shares), total)
        return total

    def _secret(self, site: str, kind: str, shares: Mapping[str, Mapping[str, tuple[str, str]]]) -> bytes:
        places = {holder: at for at, holder in enumerate(self.adverts, start=1)}
        found = {
            places[holder]: bytes.fromhex(said[site][1])
            for holder, said in shares.items()
            if holder in places and site in said and said[site][0] == kind
        }
        return join(found, self.attempt.threshold)

    def _without(self, dropped: str, secret: bytes, total: Ring) -> Ring:
        """Take off the masks that the survivors shared with a site that dropped out."""
        key = X25519PrivateKey.from_private_bytes(secret)
        if key.public_key().public_bytes_raw().hex() != self.adverts[dropped].masks:
            raise FederationRefused("shares of another key", "those of the site's key", "", dropped)
        for peer in self._masked:
            about = self.attempt.about("mask", *sorted((peer, dropped)))
            mask = stream(agreed(key, bytes.fromhex(self.adverts[peer].masks), about), total.size)
            total = total - mask if peer < dropped else total + mask
        return np.asarray(total, dtype=np.uint64)
