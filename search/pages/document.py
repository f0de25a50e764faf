"""What was written of a page, as a JSON document: what `--json` prints and a service sends."""

from __future__ import annotations

from collections.abc import Sequence

from search.pages.page import Written
from search.pages.subject import Subject
from tunedb.documents.answers import Document


def page(written: Written, found: Sequence[Subject]) -> Document:
    """The files, the runs that they show, the plots, and those that there are not."""
    return {
        "page": str(written.page),
        "runs": [
            {
                "label": subject.label,
                "facts": dict(subject.facts),
                "rank_correlation": subject.guesses.rank_correlation,
                "latency_secs": subject.latency_secs,
                "ratio": subject.ratio,
                "error": subject.error or None,
            }
            for subject in found
        ],
        "plots": [{"title": plot.title, "rows": len(plot.rows)} for plot in written.plots],
        "left_out": [{"title": one.title, "reason": one.why} for one in written.left_out],
        "images": [str(image) for image in written.images],
    }
