import numpy as np

from costmodels.features import hardware
from tunedb.machine.hardware import hardware_named, this_machine
from tunedb.query.calibration import Calibration


def test_a_machine_is_described_by_its_caches_and_by_what_a_core_does():
    found = dict(zip(hardware.names(), hardware.describe(this_machine(), Calibration(2.0**38, 2.0**36)), strict=True))

    assert found["hardware_flop_per_sec"] == 38
    assert found["hardware_bytes_per_sec"] == 36
    assert found["hardware_flop_per_byte"] == 2
    known = this_machine().l1d_bytes
    assert known is None or found["hardware_l1d_bytes"] == np.log2(known)


def test_what_is_not_known_is_no_number():
    assert np.isnan(hardware.describe(hardware_named("somebody's laptop"), Calibration())).all()
    assert len(hardware.describe(hardware_named("x"), Calibration())) == len(hardware.names())
