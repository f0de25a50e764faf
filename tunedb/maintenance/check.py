"""Whether a store opens and holds together: the quick look of `tunedb doctor`; `verify` reads all of it."""

from __future__ import annotations

from tunedb.errors import NotFoundError, TunedbError
from tunedb.machine.installation import Check, Part
from tunedb.store.opening import open_store
from tunedb.units import count

_NAMED = 3  # problems that are told


def check_store(url: str) -> Check:
    """Whether a store opens and what it refers to is there. One that is not there yet is no fault.

    Args:
        url: the store's folder or URL.
    """
    try:
        with open_store(url, create=False) as store:
            problems = store.problems()
            trials = store.stats().num_trials
    except NotFoundError:
        return Check("store", Part.STORE, True, f"none yet at {url}; ingest and tune make it")
    except TunedbError as error:
        return Check("store", Part.STORE, False, str(error), "choose another with --store")
    if problems:
        more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        told = "; ".join(problems[:_NAMED]) + more
        return Check("store", Part.STORE, False, told, "ingest its sources into a new one")
    return Check("store", Part.STORE, True, f"{url}: {count(trials, 'trial')}")
