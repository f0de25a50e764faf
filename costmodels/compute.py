"""What a long computation may use: processes and threads of this machine or a cluster; and who sees its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from costmodels.cluster import Cluster
    from costmodels.extraction.extract import Featurised, Job


@dataclass(frozen=True, slots=True)
class Compute:
    """Where to compute. What comes out does not depend on it."""

    workers: int = 1  # processes that compute features, and threads that fit, at a time
    cluster: Cluster | None = None  # does both instead
    on_progress: Callable[[int, int], None] | None = None  # called with trials featurised and trials in all

    def featurise(
        self,
        url: str,
        jobs: Sequence[Job],
        *,
        on_rows: Callable[[Mapping[str, NDArray[np.float64]], Mapping[str, str]], None] | None = None,
    ) -> Featurised:
        """Computes features here or on the cluster.

        Args:
            url: of the store that the jobs' trials are in; a cluster's workers read them from there.
            jobs: what to do.
            on_rows: as for `costmodels.extraction.extract.featurise`.

        Returns:
            Rows and causes of all trials of the jobs.
        """
        if self.cluster is not None:
            return self.cluster.featurise(url, jobs, on_progress=self.on_progress, on_rows=on_rows)
        from costmodels.extraction.extract import featurise

        return featurise(jobs, workers=self.workers, on_progress=self.on_progress, on_rows=on_rows)


ALONE = Compute()
"""One process and one thread, and nobody is given progress."""
