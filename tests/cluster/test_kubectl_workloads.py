"""What the real kubectl does with workloads and nodes: it rolls out, scales, sets, waits, taints, drains."""

import json

import pytest

from tests.support.kubectl import Kubectl
from tests.support.manifests import on_node, pod, pod_spec, replica_set
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.timeout(300)]


@pytest.mark.beside_others
def test_a_deployment_is_rolled_out_undone_and_restarted(kubectl: Kubectl) -> None:
    kubectl.follows("""
$ create deployment web --image=busybox:1.37 --replicas=2 -- sh -c "trap 'exit 0' TERM; sleep 3600 & wait"
deployment.apps/web created
$ rollout status deployment/web --timeout=90s
…
deployment "web" successfully rolled out
$ set env deployment/web COLOR=red
deployment.apps/web env updated
$ rollout status deployment web --timeout=90s
…
deployment "web" successfully rolled out
$ annotate deployment web kubernetes.io/change-cause='red'
deployment.apps/web annotated
$ rollout history deployment/web
deployment.apps/web
REVISION  CHANGE-CAUSE
1         <none>
2         red

$ rollout history deployment/web --revision=2
deployment.apps/web with revision #2
Pod Template:
…
    Environment:
      COLOR:	red
…
$ rollout undo deployment/web --dry-run=server
deployment.apps/web rolled back (server dry run)
$ rollout undo deployment/web
deployment.apps/web rolled back
$ rollout status deployment/web --timeout=90s
…
deployment "web" successfully rolled out
$ rollout undo deployment/web --to-revision=9
error: unable to find specified revision 9 in history
[1]
$ set env deployment/web --list
# Deployment web, container busybox
$ rollout restart deployment/web
deployment.apps/web restarted
$ rollout status deployment/web --timeout=90s
…
deployment "web" successfully rolled out
$ rollout pause deployment/web
deployment.apps/web paused
$ rollout pause deployment/web
error: deployments.apps "web" is already paused
[1]
$ rollout restart deployment/web
error: deployments.apps "web" can't restart paused deployment (run rollout resume first)
[1]
$ rollout resume deployment/web
deployment.apps/web resumed
$ rollout resume deployment/web
error: deployments.apps "web" is not paused
[1]
$ rollout status deployment/nope
Error from server (NotFound): deployments.apps "nope" not found
[1]
$ get rs -l app=web --no-headers
web-…   …
web-…   …
web-…   …
""")
    assert (
        kubectl(
            "get deployment web -o jsonpath='{.metadata.annotations.deployment\\.kubernetes\\.io/revision}'"
        )
        == "4"
    )


@pytest.mark.beside_others
def test_templates_are_set(kubectl: Kubectl) -> None:
    kubectl.follows("""
$ create deployment web --image=busybox:1.37 --replicas=0 -- sleep 3600
deployment.apps/web created
$ create serviceaccount robot
serviceaccount/robot created
$ create configmap settings --from-literal=COLOR=red
configmap/settings created
$ create service clusterip web --tcp=80:80
service/web created
$ create rolebinding readers --clusterrole=view --user=jane
rolebinding.rbac.authorization.k8s.io/readers created
$ set image deployment/web busybox=busybox:1.36
deployment.apps/web image updated
$ set image deployment/web nope=busybox:1.36
error: unable to find container named "nope"
[1]
$ set env deployment/web --from=configmap/settings
deployment.apps/web env updated
$ set env deployment/web --list --resolve
# Deployment web, container busybox
COLOR=red
$ set env deployment/web COLOR-
deployment.apps/web env updated
$ set resources deployment/web --limits=cpu=200m,memory=64Mi --requests=cpu=50m
deployment.apps/web resource requirements updated
$ set serviceaccount deployment/web robot
deployment.apps/web serviceaccount updated
$ set selector service web tier=front
service/web selector updated
$ set subject rolebinding readers --user=john
rolebinding.rbac.authorization.k8s.io/readers subjects updated
$ get deployment web -o jsonpath='{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].resources} {.spec.template.spec.serviceAccountName}{"\\n"}'
busybox:1.36 {"limits":{"cpu":"200m","memory":"64Mi"},"requests":{"cpu":"50m"}} robot
$ get service web -o jsonpath='{.spec.selector}{"\\n"}'
{"tier":"front"}
$ get rolebinding readers -o jsonpath='{.subjects[*].name}{"\\n"}'
jane john
""")


@pytest.mark.beside_others
def test_workloads_are_scaled_and_waited_for(kubectl: Kubectl, space: Workspace) -> None:
    space.apply(replica_set("few", 1), pod("alone", labels={"app": "alone"}))
    kubectl.follows("""
$ scale rs few --replicas=2
replicaset.apps/few scaled
$ scale rs few --replicas=3 --current-replicas=5
error: Expected replicas to be 5, was 2
[1]
$ scale rs few --replicas=3 --current-replicas=2
replicaset.apps/few scaled
$ wait rs/few --for=jsonpath='{.status.readyReplicas}'=3 --timeout=90s
replicaset.apps/few condition met
$ wait pod -l app=few --for=condition=Ready --timeout=90s
pod/few-… condition met
pod/few-… condition met
pod/few-… condition met
$ get rs few --subresource=scale -o jsonpath='{.spec.replicas} {.status.selector}{"\\n"}'
3 app=few
$ scale rs/few --replicas=0 --timeout=60s
replicaset.apps/few scaled
$ wait pod/alone --for=condition=Ready --timeout=60s
pod/alone condition met
$ wait pod/alone --for=condition=Happy --timeout=1s
error: timed out waiting for the condition on pods/alone
[1]
$ wait pod/nope --for=condition=Ready
Error from server (NotFound): pods "nope" not found
[1]
$ wait pod/nope --for=delete
$ autoscale rs few --min=2 --max=4
horizontalpodautoscaler.autoscaling/few autoscaled
$ wait rs/few --for=jsonpath='{.spec.replicas}'=0 --timeout=30s
replicaset.apps/few condition met
$ scale pod alone --replicas=2
Error from server (NotFound): the server could not find the requested resource
[1]
$ create job sums --image=busybox:1.37 -- sh -c 'echo $((6*7))'
job.batch/sums created
$ wait job/sums --for=condition=complete --timeout=60s
job.batch/sums condition met
$ logs job/sums
42
$ get job sums
NAME   STATUS     COMPLETIONS   DURATION   AGE
sums   Complete   1/1           …s         …s
""")


@pytest.mark.beside_others
def test_a_node_that_nobody_runs_is_tainted_labelled_and_taken_out_of_service(
    kubectl: Kubectl, space: Workspace
) -> None:
    name = f"{space.namespace[:20].strip('-')}-idle"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    assert kubectl("create -f -", stdin=json.dumps(node)) == f"node/{name} created\n"
    try:
        kubectl.follows(
            """
$ cordon <node>
node/<node> cordoned
$ cordon <node>
node/<node> already cordoned
$ get node <node> --no-headers
<node>   …,SchedulingDisabled   <none>   …s
$ uncordon <node>
node/<node> uncordoned
$ taint node <node> dedicated=batch:NoSchedule
node/<node> tainted
$ taint node <node> dedicated=web:NoSchedule
error: node <node> already has dedicated taint(s) with same effect(s) and --overwrite is false
[1]
$ taint node <node> dedicated=web:NoSchedule --overwrite
node/<node> modified
$ taint node <node> dedicated-
node/<node> untainted
$ label node <node> node-role.kubernetes.io/worker=
node/<node> labeled
$ get node <node> --no-headers
<node>   …   worker   …s
$ drain <node> --dry-run=server
node/<node> cordoned (server dry run)
node/<node> drained (server dry run)
$ drain <node>
node/<node> cordoned
node/<node> drained
$ delete node <node>
node "<node>" deleted
$ drain <node>
Error from server (NotFound): nodes "<node>" not found
[1]
""",
            node=name,
        )
    finally:
        kubectl(f"delete node {name} --ignore-not-found")


@pytest.mark.own_node
def test_a_node_is_drained_as_budgets_allow(kubectl: Kubectl, space: Workspace) -> None:
    target = space.node(0)
    daemons = {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "daemon"},
        "spec": {"selector": {"matchLabels": {"app": "drained-daemon"}}, "template": {
            "metadata": {"labels": {"app": "drained-daemon"}}, "spec": pod_spec(),
        }},
    }  # fmt: skip
    kept = pod("kept", labels={"app": "drained-kept"}, nodeName=target)
    space.apply(daemons, kept, replica_set("drained-web", 2, **on_node(target)))
    kubectl.follows("""
$ rollout status daemonset/daemon --timeout=90s
…
daemon set "daemon" successfully rolled out
$ wait pod -l app=drained-web --for=condition=Ready --timeout=90s
pod/drained-web-… condition met
pod/drained-web-… condition met
$ wait pod/kept --for=condition=Ready --timeout=90s
pod/kept condition met
$ create poddisruptionbudget kept --selector=app=drained-kept --min-available=1
poddisruptionbudget.policy/kept created
$ wait pdb/kept --for=jsonpath='{.status.currentHealthy}'=1 --timeout=30s
poddisruptionbudget.policy/kept condition met
""")
    # Nobody else's Pods.
    flags = "--pod-selector='app in (drained-daemon,drained-kept,drained-web)'"
    try:
        refused = kubectl.run(f"drain {target} {flags}")
        assert refused.code == 1
        assert "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" in refused.err
        assert "cannot delete Pods that declare no controller (use --force to override)" in refused.err
        blocked = kubectl.run(f"drain {target} {flags} --ignore-daemonsets --force --timeout=8s")
        assert blocked.code == 1
        assert (
            f'error when evicting pods/"kept" -n "{space.namespace}" (will retry after 5s): Cannot evict pod as it '
            "would violate the pod's disruption budget."
        ) in blocked.err
        kubectl("delete pdb kept")
        told = kubectl(f"drain {target} {flags} --ignore-daemonsets --force --timeout=90s")
        assert told.startswith(f"node/{target} already cordoned\nevicting pod {space.namespace}/kept\n")
        assert told.endswith(f"pod/kept evicted\nnode/{target} drained\n")
        left = kubectl(f"get pods --field-selector spec.nodeName={target} -o name").split()
        assert len(left) == 1
        assert left[0].startswith("pod/daemon-")
    finally:
        kubectl(f"uncordon {target}")
