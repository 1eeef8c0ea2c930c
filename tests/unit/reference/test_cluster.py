"""What a run of the load lab asks of kube-apiserver and kube-scheduler as its target."""

from pathlib import Path

from bench.load.cluster import Target
from bench.reference.cluster import KubeCluster, apiserver_flags
from bench.reference.programs import Program


def test_a_run_finds_all_that_it_asks_of_its_target() -> None:
    program = Program("kube-apiserver", Path("/nowhere"), "v1.37.2", "")
    cluster = KubeCluster(program, program, fsync=False)
    asked = [name for name in vars(Target) if not name.startswith("_")]
    assert "judging" in asked
    assert [name for name in asked if not hasattr(cluster, name)] == []


def test_kube_scheduler_is_not_held_to_the_best_of_all_nodes() -> None:
    """It looks at some of them in a large cluster: upstream's schedule_one.go, numFeasibleNodesToFind."""
    program = Program("kube-scheduler", Path("/nowhere"), "v1.37.2", "")
    judging = KubeCluster(program, program, fsync=False).judging()
    assert (judging.takes_the_best, judging.plugins) == (False, None)


def test_with_certificates_there_is_no_token_and_nothing_in_the_clear() -> None:
    token, shown = (
        apiserver_flags("F", etcd="127.0.0.1:1", port=2, certificates=certificates)
        for certificates in (False, True)
    )
    assert "--token-auth-file=F/tokens.csv" in token
    assert "--etcd-servers=http://127.0.0.1:1" in token
    assert not [flag for flag in shown if "token" in flag or "http://" in flag]
    assert {"--client-ca-file=F/pki/apiserver/ca.crt", "--etcd-servers=https://127.0.0.1:1"} <= set(shown)
    assert set(token) & set(shown) == set(token) - {
        "--token-auth-file=F/tokens.csv", "--etcd-servers=http://127.0.0.1:1", "--cert-dir=F/apiserver",
    }  # fmt: skip
