"""Whether a session that was lost is its program's fault: what fails with it, and what another server runs again."""

from __future__ import annotations

import logging

from search.measure.fleet.servers import Servers
from search.measure.fleet.sessions import Answer, Stage
from search.measure.fleet.tracker import Address
from tunedb.records import Outcome

_LOG = logging.getLogger(__name__)

# At a program whose session is lost: TVM's servers die of one that crashes.
ATTEMPTS = {Stage.SEND: 3, Stage.RUN: 2}


class Losses:
    """The servers that were lost with one program.

    Args:
        servers: Those that there are.
        limit_secs: The longest that a program may run.
    """

    def __init__(self, servers: Servers, limit_secs: float) -> None:
        self._servers, self._limit_secs = servers, limit_secs
        self._lost: list[Address] = []

    def outcome(self, answer: Answer, server: Address) -> tuple[Outcome | None, str]:
        """What an answer says of the program, and why; None where it is to be run again, elsewhere.

        Args:
            answer: What came of it.
            server: Who ran it.
        """
        if answer.stage is Stage.DONE:
            return Outcome.OK, ""
        if not answer.is_lost:
            return Outcome.RUN_ERROR, answer.error
        if answer.stage is Stage.RUN and answer.secs >= self._limit_secs:
            limit = f"{self._limit_secs:g} s"
            return Outcome.RUN_TIMEOUT, f"run took longer than {limit} (--run-timeout gives it more)"
        if answer.stage is Stage.RUN and self._servers.is_alive(server):
            return Outcome.RUN_ERROR, f"its process crashed on the server at {server}: {answer.error}"
        self._lost.append(server)
        doing = answer.stage.value
        if len(self._lost) < ATTEMPTS[answer.stage]:
            _LOG.warning(
                "the server at %s was lost while %s a program, which another server runs: %s",
                server,
                doing,
                answer.error,
            )
            return None, ""
        told = ", ".join(map(str, self._lost))
        return Outcome.RUN_ERROR, f"{len(self._lost)} servers were lost while {doing} it ({told}): {answer.error}"
