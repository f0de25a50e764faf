"""Every error that tunedb raises on purpose.

    TunedbError
    |-- UsageError (ValueError)            the caller asked for something that makes no sense
    |-- NotFoundError (LookupError)        no such workload, target, trial, model or store
    |   `-- AmbiguousPrefixError           a hash prefix that fits more than one thing
    |-- BadInputError (ValueError)         a file or record that cannot be read
    |-- StoreError (OSError)               the store cannot be opened, read or written
    |   `-- StoreSchemaError               the store was written by another schema version
    |-- ModelError (ValueError)            a saved cost model is missing a part, foreign or tampered with
    |-- FeatureError (RuntimeError)        a candidate's features cannot be computed
    |-- ChildDiedError (ChildProcessError) a child process ended or fell silent before it had answered
    `-- MeasurementError (RuntimeError)    this machine cannot build or run candidates

A failed trial is not an error but a value: see `tunedb.records.Outcome`.
"""


class TunedbError(Exception):
    """Root of all errors that tunedb raises on purpose; its text is meant for the user."""


class UsageError(TunedbError, ValueError):
    """The caller asked for something that makes no sense (an unknown strategy, a negative count)."""


class NotFoundError(TunedbError, LookupError):
    """There is no such workload, target, trial, model or store."""


class AmbiguousPrefixError(NotFoundError):
    """A hash prefix fits more than one thing; the message lists them."""


class BadInputError(TunedbError, ValueError):
    """A file or record cannot be read; the message says what, where and why."""


class StoreError(TunedbError, OSError):
    """The store cannot be opened, read or written."""


class StoreSchemaError(StoreError):
    """The store was written by another schema version of tunedb."""


class ModelError(TunedbError, ValueError):
    """A saved cost model is missing a part, foreign or tampered with."""


class FeatureError(TunedbError, RuntimeError):
    """A candidate's features cannot be computed."""


class ChildDiedError(TunedbError, ChildProcessError):
    """A child process ended, fell silent or was closed before it had answered; the message says which."""


class MeasurementError(TunedbError, RuntimeError):
    """This machine cannot build or run candidates."""
