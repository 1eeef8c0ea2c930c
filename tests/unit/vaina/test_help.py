"""`--help` of every service: a list of flags on stdout, a line each, and exit code 0."""

import subprocess
import sys

import pytest

from apiserver.config import ApiserverConfig
from controller.config import ControllerConfig
from kubelet.config import KubeletConfig
from scheduler.config import SchedulerConfig

SERVICES = {
    "apiserver": ApiserverConfig,
    "controller": ControllerConfig,
    "kubelet": KubeletConfig,
    "scheduler": SchedulerConfig,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("service", "config"), SERVICES.items(), ids=SERVICES)
def test_help_names_every_flag_of_the_service_and_says_what_it_is_for(service, config):
    run = subprocess.run(
        [sys.executable, "-m", service, "--help"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    told = dict(line.split(maxsplit=1) for line in run.stdout.splitlines()[1:])
    assert list(told) == ["--config", *("--" + name.replace("_", "-") for name in config.__struct_fields__)]
    assert not [flag for flag, text in told.items() if text.startswith("(default")]
