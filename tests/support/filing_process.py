"""A process that files images until it is killed, and says on its output what was acknowledged.

Usage: filing_process.py DATABASE_URL FOLDER FIRST_STUDY
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from keeping import House, house_on, image, sent_by

_THREADS = 4
_INSTANCES = 5


def file_for_ever(house: House, first: int, thread: int) -> None:
    study = first + thread
    while True:
        for instance in range(_INSTANCES):
            data = sent_by(image(study, 1, instance + 1), f"AE{thread}")
            filed = house.intake.accept_bytes(data, f"dimse:AE{thread}")
            uid = filed.instance.ref.sop_instance_uid
            sys.stdout.write(f"{uid} {filed.instance.sha256}\n")  # one write, so that lines stay whole
            sys.stdout.flush()
        study += _THREADS


def main() -> None:
    url, folder, first = sys.argv[1:]
    house = house_on(url, Path(folder))
    house.archive.reconcile(house.clock())
    arguments = [(house, int(first), thread) for thread in range(_THREADS)]
    threads = [threading.Thread(target=file_for_ever, args=each) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
