"""Step 5, MOUNTED: volumes are mounted and shared between the containers of the Pod."""

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import config_map, container, pod, secret
from tests.support.workspace import Workspace, condition, status_of

pytestmark = [pytest.mark.step(5), pytest.mark.beside_others]


@pytest.mark.requirement("A5")
def test_what_one_container_writes_another_reads(space: Workspace) -> None:
    volume = {"volumes": [{"name": "shared", "emptyDir": {}}]}
    writer = container("writer", volumeMounts=[{"name": "shared", "mountPath": "/out"}])
    reader = container("reader", volumeMounts=[{"name": "shared", "mountPath": "/in", "readOnly": True}])
    [both] = space.start(pod("sharing", writer, reader, **volume), pod("stranger", writer, **volume))[:1]
    space.shell("sharing", "echo 'written by one' >/out/note", "writer")
    assert space.shell("sharing", "cat /in/note", "reader") == "written by one"
    refused = space.exec("sharing", "sh", "-c", "echo x >/in/other", container="reader")
    assert refused.code != 0
    assert "Read-only file system" in refused.stderr
    # Another Pod with a volume of the same name has another folder.
    assert space.shell("stranger", "ls /out", "writer") == ""
    # It lives as long as the Pod, and no longer.
    node, uid = both.spec.node_name, both.metadata.uid
    look = f"find /var/lib/vaina -path '*{uid}*' | wc -l; grep -c {uid} /proc/mounts || true"
    assert space.cluster.execute(node, "sh", "-c", look).split()[0] != "0"
    space.delete("sharing")
    space.gone("sharing")
    wait_until(
        lambda: space.cluster.execute(node, "sh", "-c", look).split() == ["0", "0"],
        15,
        "nothing is left of its files",
    )


@pytest.mark.requirement("A5")
def test_config_maps_and_secrets_are_files_of_both_containers(space: Workspace) -> None:
    space.apply(
        config_map("settings", colour="green", **{"app.conf": "a=1\n"}), secret("keys", token="s3cret")
    )
    mounts = [
        {"name": "settings", "mountPath": "/etc/settings"},
        {"name": "keys", "mountPath": "/etc/keys", "readOnly": True},
    ]
    volumes = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
    ]
    space.start(
        pod(
            "configured",
            container("one", volumeMounts=mounts),
            container("two", volumeMounts=mounts),
            volumes=volumes,
        )
    )
    for name in ("one", "two"):
        assert (
            space.shell("configured", "cat /etc/settings/colour /etc/settings/app.conf", name) == "greena=1"
        )
        assert space.shell("configured", "cat /etc/keys/token", name) == "s3cret"
    assert space.shell("configured", "stat -L -c %a /etc/keys/token", "one") == "400"


@pytest.mark.both_runtimes
@pytest.mark.requirement("A5")
def test_pod_waits_for_a_config_map_before_it_has_a_sandbox_and_says_so(space: Workspace) -> None:
    volumes = [{"name": "late", "configMap": {"name": "late"}}]
    space.apply(
        pod("waiting", container(volumeMounts=[{"name": "late", "mountPath": "/late"}]), volumes=volumes)
    )
    said = space.event("waiting", "FailedMount")
    assert 'configmap "late" not found' in said.message
    waits = space.pod("waiting")
    assert (waits.status.phase, waits.status.pod_ip) == ("Pending", "")
    assert condition(waits, "PodReadyToStartContainers") == "False"
    assert status_of(waits).state.waiting.reason == "ContainerCreating"
    space.apply(config_map("late", word="now"))
    space.ready("waiting")
    assert space.shell("waiting", "cat /late/word") == "now"
