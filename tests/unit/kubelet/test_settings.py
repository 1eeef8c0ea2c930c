"""Settings of a kubelet that cannot be read: it says so in a line, and does not start."""

from typing import Any

import pytest

from kubelet.build import check_settings
from kubelet.config import KubeletConfig
from vaina.config import ConfigError


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"eviction_hard": "memory<1Gi"}, "unsupported eviction signal memory"),
        (
            {"image_pull_credentials_verification_policy": "No"},
            "image_pull_credentials_verification_policy: 'No' is none",
        ),
        ({"hollow_stages": ("nap=1",)}, '"nap=1": "nap" is no stage'),
        ({"kubernetes_service": "apiserver"}, "kubernetes_service: 'apiserver' is not host:port"),
        ({"system_reserved_memory": "1GiB"}, "^system_reserved_memory: "),
        ({"container_log_max_size": "ten"}, "^container_log_max_size: "),
    ],
)
def test_a_setting_that_cannot_be_read_is_told(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_settings(KubeletConfig(**setting))


def test_those_that_are_there_can_be_read() -> None:
    check_settings(KubeletConfig())
