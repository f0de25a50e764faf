"""What a store knows of schedules' numbers on a device, and what is found there anew: nothing is compared twice."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime

from search.measure.device import Comparison, Device
from tunedb.errors import StoreAwayError, StoreError
from tunedb.identity import trace_id, with_verdict_id
from tunedb.program.releases import installed, installed_release
from tunedb.query.verdicts import standing
from tunedb.records import Trace, Verdict
from tunedb.store.contract import Store

_LOG = logging.getLogger(__name__)


class Verdicts:
    """The verdicts of schedules for the target of a device.

    Args:
        store: The store that is asked, and told.
        device: What programs are built for and run on.
        source: Who compares: "compile", or a tuning run's uri.
    """

    def __init__(self, store: Store, device: Device, source: str) -> None:
        self._store, self._source = store, source
        self._target_id, self._hardware_id = device.target.target_id, device.hardware.hardware_id
        self._is_emulated = bool(device.emulator)
        self._release = installed_release()

    def known(self, workload_id: str, trace: Trace) -> Verdict | None:
        """What makes comparing a schedule again needless.

        Wrong numbers are wrong on any machine that runs the target's code. That a schedule agrees, and what it takes,
        is known of this machine only. Either is of the TVM release that is installed.

        Returns:
            A verdict that is wrong, or one that agrees and tells what both programs took; None where there is neither,
            or the service that keeps the store is away. Of a device that is emulated nobody is told what they took.
        """
        identity = trace_id(trace)
        try:
            known = self._store.verdicts(workload_id, self._target_id)
        except StoreAwayError as error:
            _LOG.warning("schedules are compared again, whatever is known of them: %s", error)
            return None
        found = [verdict for verdict in known if verdict.trace_id == identity and verdict.tvm_version == self._release]
        last = standing(found)
        if last is None or not last.agrees:
            return last
        here = [one for one in found if one.hardware_id == self._hardware_id]
        enough = [one for one in here if one.agrees and one.tells and (one.is_timed or self._is_emulated)]
        return enough[-1] if enough else None

    def keep(self, workload_id: str, trace: Trace, found: Comparison, allowed: float) -> None:
        """Stores what a comparison found; where the store cannot be written, what was found holds all the same.

        Args:
            workload_id: The workload.
            trace: The schedule.
            found: How it compares with the untuned program; infinite times are not told.
            allowed: The deviation that is allowed.
        """
        is_timed = math.isfinite(found.secs) and math.isfinite(found.untuned_secs)
        verdict = Verdict(
            verdict_id="",
            workload_id=workload_id,
            trace_id=trace_id(trace),
            target_id=self._target_id,
            hardware_id=self._hardware_id,
            tvm_version=self._release,
            deviation=math.inf if math.isnan(found.deviation) else found.deviation,
            allowed_deviation=allowed,
            arguments=found.arguments,
            magnitude=0.0 if math.isnan(found.magnitude) else found.magnitude,
            found_at=datetime.now(UTC),
            source=self._source,
            tunedb_version=installed("tunedb"),
            secs=found.secs if is_timed else None,
            untuned_secs=found.untuned_secs if is_timed else None,
        )
        try:
            self._store.append_verdicts([with_verdict_id(verdict)])
        except StoreError as error:
            _LOG.warning("what was found of a schedule's numbers is not stored: %s", error)


def comparison_of(verdict: Verdict) -> Comparison:
    """The comparison that a verdict tells of."""
    return Comparison(
        verdict.deviation,
        verdict.arguments,
        verdict.magnitude,
        math.inf if verdict.secs is None else verdict.secs,
        math.inf if verdict.untuned_secs is None else verdict.untuned_secs,
    )
