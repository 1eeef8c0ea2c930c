"""A Pod's life: restarts with back-off, the way it ends, and that it is replaced, never repaired."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import container, exec_probe, pod, replica_set
from tests.support.workspace import Workspace, condition, phase, ready, status_of
from vaina.clock import seconds_of
from vaina.kinds import POD

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]


@pytest.mark.requirement("B8")
def test_never_and_on_failure_end_as_they_should(space: Workspace) -> None:
    twice = "test -e /work/tried && exit 0; touch /work/tried; exit 1"
    volume = {"volumes": [{"name": "work", "emptyDir": {}}]}
    retried = container(script=twice, volumeMounts=[{"name": "work", "mountPath": "/work"}])
    space.apply(
        pod("never", container(script="exit 1"), restartPolicy="Never"),
        pod("done", container(script="exit 0"), restartPolicy="OnFailure"),
        pod("retried", retried, restartPolicy="OnFailure", **volume),
    )
    ended = {
        name: space.wait(name, phase("Succeeded", "Failed"), "has ended")
        for name in ("never", "done", "retried")
    }
    assert {name: (p.status.phase, status_of(p).restart_count) for name, p in ended.items()} == {
        "never": ("Failed", 0),
        "done": ("Succeeded", 0),
        "retried": ("Succeeded", 1),
    }
    assert status_of(ended["retried"]).last_state.terminated.exit_code == 1


@pytest.mark.requirement("B8")
def test_always_restarts_with_a_back_off_that_grows(space: Workspace) -> None:
    with space.api.history(POD, space.namespace) as history:
        space.apply(pod("looping", container(script="exit 1")))
        waiting = space.wait(
            "looping", lambda p: status_of(p).state.waiting.reason == "CrashLoopBackOff", "is backed off"
        )
        message = status_of(waiting).state.waiting.message
        assert message.startswith(
            f"back-off 10s restarting failed container=main pod=looping_{space.namespace}("
        )
        assert waiting.status.phase == "Running"
        space.wait("looping", lambda p: status_of(p).restart_count == 2, "was restarted twice")
    runs = {}
    for seen in history.of("looping"):
        status = status_of(seen.object)
        for state in (status.state, status.last_state):
            if state.HasField("terminated"):
                end = state.terminated
                runs[end.container_id] = (seconds_of(end.started_at), seconds_of(end.finished_at))
    ordered = sorted(runs.values())
    gaps = [later[0] - earlier[1] for earlier, later in pairwise(ordered)]
    # The first restart is without a back-off, the second after ten seconds (times are of whole seconds).
    assert gaps[0] < 9
    last_start = seconds_of(status_of(space.pod("looping")).last_state.terminated.started_at)
    assert last_start - ordered[0][1] >= 0
    assert [gap >= 9 for gap in gaps[1:2]] in ([True], [])
    assert space.event("looping", "BackOff").message.startswith(
        "Back-off restarting failed container main in pod looping"
    )


@pytest.mark.requirement("B9")
def test_liveness_restarts_the_container_and_says_why(space: Workspace) -> None:
    mortal = container(
        script="touch /tmp/alive; trap 'exit 0' TERM; sleep infinity & wait",
        livenessProbe=exec_probe(
            "test -e /tmp/alive", periodSeconds=1, timeoutSeconds=10, failureThreshold=2
        ),
    )
    space.start(pod("probed", mortal))
    space.shell("probed", "rm /tmp/alive")
    back = space.wait("probed", lambda p: status_of(p).restart_count >= 1 and ready(p), "was restarted")
    assert back.status.phase == "Running"
    assert "Liveness probe failed" in space.event("probed", "Unhealthy").message
    assert (
        space.event("probed", "Killing").message == "Container main failed liveness probe, will be restarted"
    )


@pytest.mark.requirement("B9")
def test_http_and_tcp_probes_ask_the_pods_address(space: Workspace) -> None:
    script = "mkdir /www; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & sleep infinity & wait"
    http = container(
        script=script, readinessProbe={"httpGet": {"path": "/ok", "port": "web"}, "periodSeconds": 1},
        ports=[{"containerPort": 8080, "name": "web"}],
    )  # fmt: skip
    tcp = container(readinessProbe={"tcpSocket": {"port": 9000}, "periodSeconds": 1})
    space.apply(pod("http", http), pod("tcp", tcp))
    space.event("http", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")
    space.event("tcp", "Unhealthy", "connection refused")
    assert not ready(space.pod("http"))
    assert not ready(space.pod("tcp"))
    space.shell("http", "echo fine >/www/ok")
    space.shell("tcp", "httpd -p 9000 -h /tmp")
    space.ready("http")
    space.ready("tcp")


@pytest.mark.requirement("B6")
def test_pod_ends_by_pre_stop_then_term_and_only_then_kill(space: Workspace) -> None:
    polite = container(
        "polite",
        "trap 'cat /tmp/said; echo TERM; exit 0' TERM; sleep infinity & wait",
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "echo preStop >/tmp/said; sleep 1"]}}},
    )
    stubborn = container("stubborn", "trap '' TERM; while :; do sleep 0.2; done")
    [pair] = space.start(pod("ending", polite, stubborn, terminationGracePeriodSeconds=7))
    with space.cluster.recorded_events() as events, ThreadPoolExecutor(1) as beside:
        following = beside.submit(space.logs, "ending", container="polite", follow=True)
        asked = space.api.clock.monotonic()
        going = space.delete("ending")
        last_words = following.result()
        space.gone("ending", uid=pair.metadata.uid)
        took = space.api.clock.monotonic() - asked
    assert last_words == "preStop\nTERM\n"
    assert going.metadata.deletion_grace_period_seconds == 7
    # Nor the 30 seconds of a Pod that says nothing.
    assert 7 <= took < 30
    if space.runtime != "docker":
        # Only Docker records which signals it sent.
        return
    signals: dict[str, list[str]] = {}
    for event in events[pair.spec.node_name]:
        attributes = event.get("Actor", {}).get("Attributes", {})
        if event.get("Action") == "kill" and attributes.get("io.kubernetes.pod.uid") == pair.metadata.uid:
            name = attributes.get("io.kubernetes.container.name", "POD")
            signals.setdefault(name, []).append(attributes["signal"])
    assert signals["polite"] == ["15"]
    assert [signals["stubborn"][0], signals["stubborn"][-1]] == ["15", "9"]


@pytest.mark.requirement("B6")
def test_shorter_grace_that_is_given_later_takes_effect_at_once(space: Workspace) -> None:
    stubborn = container(script="trap '' TERM; while :; do sleep 0.2; done")
    space.start(pod("slow", stubborn, terminationGracePeriodSeconds=300))
    space.delete("slow")
    assert space.pod("slow").metadata.deletion_grace_period_seconds == 300
    space.delete("slow", grace=1)
    space.gone("slow")


@pytest.mark.requirement("B7")
def test_pod_is_replaced_under_a_new_uid_by_its_controller_and_gone_without_one(space: Workspace) -> None:
    space.apply(replica_set("owned", 1))
    space.start(pod("bare"))
    [old] = wait_until(lambda: [p for p in space.pods("app=owned") if ready(p)], 40, "the replica is ready")
    space.delete(old.metadata.name)
    space.delete("bare")
    space.gone(old.metadata.name)
    space.gone("bare")
    [new] = wait_until(lambda: [p for p in space.pods("app=owned") if ready(p)], 40, "there is a new replica")
    assert (new.metadata.uid != old.metadata.uid, new.metadata.name != old.metadata.name) == (True, True)
    assert [p.metadata.name for p in space.pods()] == [new.metadata.name]


@pytest.mark.requirement("B7")
def test_pod_is_never_moved_to_another_node_or_given_a_new_uid(space: Workspace) -> None:
    with space.api.history(POD, space.namespace) as history:
        [one] = space.start(
            pod("settled", container(script="until test -e /tmp/end; do sleep 0.1; done; exit 1"))
        )
        space.shell("settled", "touch /tmp/end")
        space.wait("settled", lambda p: status_of(p).restart_count == 1 and ready(p), "runs again")
    seen = [event.object for event in history.of("settled")]
    assert {p.metadata.uid for p in seen} == {one.metadata.uid}
    assert {p.spec.node_name for p in seen} - {""} == {one.spec.node_name}


@pytest.mark.requirement("B14")
def test_pod_is_pending_until_all_its_images_are_there(space: Workspace) -> None:
    absent = container("absent", "true", image="no-such-image-anywhere:never")
    space.apply(pod("incomplete", container("present"), absent))
    pulling = space.wait(
        "incomplete",
        lambda p: (
            status_of(p, "absent").state.waiting.reason in ("ErrImagePull", "ImagePullBackOff")
            and status_of(p, "present").state.HasField("running")
        ),
        "cannot pull one of its images",
    )
    assert pulling.status.phase == "Pending"
    assert condition(pulling, "ContainersReady") == "False"
