"""Adapters that let MetaSchedule drive our tuners and devices: its strategy, builder and runner."""

from search.metaschedule.measuring import DeviceBuilder, DeviceRunner
from search.metaschedule.strategies import RecordedStrategy, TaskSearch, TunerStrategy

__all__ = ["DeviceBuilder", "DeviceRunner", "RecordedStrategy", "TaskSearch", "TunerStrategy"]
