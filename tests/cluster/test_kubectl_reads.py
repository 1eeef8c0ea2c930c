"""What the real kubectl reads on a real cluster: lists, descriptions, forms of output, the API itself."""

import json
import re

import pytest

from tests.support.cluster import wait_until
from tests.support.kubectl import Kubectl, line
from tests.support.manifests import config_map, container, pod
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.beside_others, pytest.mark.timeout(300)]


def test_objects_are_listed_in_every_form(kubectl: Kubectl, space: Workspace) -> None:
    space.apply(
        config_map("alpha", a="1", b="2"), config_map("beta", a="3"),
        {**config_map("gamma"), "metadata": {"name": "gamma", "labels": {"tier": "web"}}},
    )  # fmt: skip
    kubectl.follows(
        """
$ get configmaps --field-selector metadata.name!=kube-root-ca.crt
NAME    DATA   AGE
alpha   2      …s
beta    1      …s
gamma   0      …s
$ get configmap alpha beta --no-headers
alpha   2     …s
beta    1     …s
$ get cm alpha -o name
configmap/alpha
$ get cm/alpha cm/beta -o jsonpath='{.items[*].data.a}{"\\n"}'
1 3
$ get cm alpha -o go-template='{{range $k, $v := .data}}{{$k}}={{$v}} {{end}}{{"\\n"}}'
a=1 b=2
$ get cm alpha beta gamma -o custom-columns=NAME:.metadata.name,A:.data.a --sort-by=.metadata.name
NAME    A
alpha   1
beta    3
gamma   <none>
$ get cm alpha -o yaml
apiVersion: v1
data:
  a: "1"
  b: "2"
kind: ConfigMap
metadata:
  annotations:
…
  creationTimestamp: "…"
  name: alpha
  namespace: <ns>
  resourceVersion: "…"
  uid: …
$ get cm alpha -o json
{
    "apiVersion": "v1",
    "data": {
        "a": "1",
        "b": "2"
    },
    "kind": "ConfigMap",
    "metadata": {
…
    }
}
$ get cm -l tier
NAME    DATA   AGE
gamma   0      …s
$ get cm -l tier=web --show-labels
NAME    DATA   AGE   LABELS
gamma   0      …s    tier=web
$ get cm -l tier=web -L tier
NAME    DATA   AGE   TIER
gamma   0      …s    web
$ get cm -l 'tier in (db)'
No resources found in <ns> namespace.
$ get cm gamma -A
error: a resource cannot be retrieved by name across all namespaces
[1]
$ get cm --chunk-size=1 -o name
configmap/alpha
configmap/beta
configmap/gamma
configmap/kube-root-ca.crt
$ get cm alpha,beta
Error from server (NotFound): configmaps "alpha,beta" not found
[1]
$ get cm,secret -l tier=web -o name
configmap/gamma
$ get cm nope
Error from server (NotFound): configmaps "nope" not found
[1]
$ get cm nope --ignore-not-found
$ get cm --field-selector data.a=1
Error from server (BadRequest): Unable to find "/v1, Resource=configmaps" that match label selector "", field selector "data.a=1": "data.a" is not a known field selector: only "metadata.name", "metadata.namespace"
[1]
$ get cm -l 'a in (b'
Error from server (BadRequest): Unable to find "/v1, Resource=configmaps" that match label selector "a in (b", field selector "": unable to parse requirement: found '', expected: ',' or ')'
[1]
$ get nothings
error: the server doesn't have a resource type "nothings"
[1]
$ get namespace <ns>
NAME   …STATUS   AGE
<ns>   Active   …s
""".replace("NAME   …STATUS", "NAME" + " " * (len(space.namespace) - 1) + "STATUS")
    )
    assert kubectl("get configmaps -A -o name").count("configmap/kube-root-ca.crt") > 1
    order = kubectl("get cm --sort-by='{.data.a}' -o jsonpath='{.items[*].metadata.name}'").split()
    assert order.index("alpha") < order.index("beta")


def made_kinds() -> dict[str, object]:
    """Return an object of each kind that a user makes, none of which runs a Pod."""
    spec = {"containers": [{"name": "c", "image": "busybox:1.37"}]}

    def workload(kind: str, **more: object) -> dict[str, object]:
        template = {"metadata": {"labels": {"app": "idle"}}, "spec": spec}
        selector = {"selector": {"matchLabels": {"app": "idle"}}, "template": template}
        return {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": "idle"},
            "spec": {**selector, **more},
        }

    def named(version: str, kind: str, **more: object) -> dict[str, object]:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": "idle"}, **more}

    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    daemons = {**spec, "nodeSelector": {"no": "where"}}
    items = [
        workload("Deployment", replicas=0),
        workload("ReplicaSet", replicas=0),
        workload("StatefulSet", replicas=0, serviceName="idle"),
        workload("DaemonSet", template={"metadata": {"labels": {"app": "idle"}}, "spec": daemons}),
        named("batch/v1", "Job", spec={"suspend": True, "template": {"spec": {**spec, "restartPolicy": "Never"}}}),
        named("v1", "LimitRange", spec={"limits": [{"type": "Container", "max": {"cpu": "4"}}]}),
        named("v1", "PersistentVolumeClaim", spec=claim),
        named("v1", "PodTemplate", template={"spec": spec}),
        named("v1", "ReplicationController", spec={
            "replicas": 0, "selector": {"app": "rc"}, "template": {"metadata": {"labels": {"app": "rc"}}, "spec": spec},
        }),
        named("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "me"}),
        named("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {"matchLabels": {"app": "idle"}}}),
        named("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=[{"addresses": ["10.0.0.9"]}],
              ports=[{"port": 80}]),
        named("resource.k8s.io/v1", "ResourceClaim", spec={}),
    ]  # fmt: skip
    return {"apiVersion": "v1", "kind": "List", "items": items}


def test_each_kind_has_its_columns_and_its_description(kubectl: Kubectl) -> None:
    (kubectl.folder / "kinds.json").write_text(json.dumps(made_kinds()))
    assert len(kubectl("create -f kinds.json").splitlines()) == 13
    kubectl.follows("""
$ get deployment -o wide
NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES         SELECTOR
idle   0/0     0            0           …s    c            busybox:1.37   app=idle
$ get rs idle -o wide
NAME   DESIRED   CURRENT   READY   AGE   CONTAINERS   IMAGES         SELECTOR
idle   0         0         0       …s    c            busybox:1.37   app=idle
$ get sts -o wide
NAME   READY   AGE   CONTAINERS   IMAGES
idle   0/0     …s    c            busybox:1.37
$ get ds
NAME   DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE
idle   0         0         0       0            0           no=where        …s
$ get jobs
NAME   STATUS      COMPLETIONS   DURATION   AGE
idle   Suspended   0/1                      …s
$ get rc
NAME   DESIRED   CURRENT   READY   AGE
idle   0         0         0       …s
$ get limits
NAME   CREATED AT
idle   …
$ get pvc
NAME   STATUS    VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   VOLUMEATTRIBUTESCLASS   AGE
idle   Pending                                      standard       <unset>                 …s
$ get podtemplates
NAME   CONTAINERS   IMAGES         POD LABELS
idle   c            busybox:1.37   <none>
$ get leases
NAME   HOLDER   AGE
idle   me       …s
$ get netpol
NAME   POD-SELECTOR   AGE
idle   app=idle       …s
$ get endpointslices
NAME   ADDRESSTYPE   PORTS   ENDPOINTS   AGE
idle   IPv4          80      10.0.0.9    …s
$ get resourceclaims
NAME   STATE     AGE
idle   pending   …s
$ describe deployment idle
Name:                   idle
Namespace:              <ns>
…
Replicas:               0 desired | 0 updated | 0 total | 0 available | 0 unavailable
…
Events:          <none>
$ describe pvc idle
Name:          idle
Namespace:     <ns>
StorageClass:  standard
Status:        Pending
…
$ describe limits idle
Name:       idle
Namespace:  <ns>
Type        Resource  Min  Max  Default Request  Default Limit  Max Limit/Request Ratio
----        --------  ---  ---  ---------------  -------------  -----------------------
Container   cpu       -    4    4                4              -
$ describe netpol idle
Name:         idle
Namespace:    <ns>
Created on:   …
Labels:       <none>
Annotations:  <none>
Spec:
  PodSelector:     app=idle
…
""")
    kinds = "deployment rs sts ds job rc limits pvc podtemplate lease netpol endpointslice resourceclaim"
    for kind in kinds.split():
        described = kubectl(f"describe {kind} idle")
        assert re.search(r"^Name: +idle$", described, re.MULTILINE), described
    everything = kubectl("get all")
    for name in ("replicationcontroller/idle", "daemonset.apps/idle", "deployment.apps/idle", "replicaset.apps/idle",
                 "statefulset.apps/idle", "job.batch/idle"):  # fmt: skip
        assert name in everything


def test_a_pod_is_listed_described_and_its_events_are_told(kubectl: Kubectl, space: Workspace) -> None:
    space.start(pod("web", container(), labels={"app": "web"}))
    # Events come when they come.
    for reason in ("Scheduled", "Started"):
        space.event("web", reason)
    kubectl.follows(
        """
$ get pods
NAME   READY   STATUS    RESTARTS   AGE
web    1/1     Running   0          …s
$ get pod web -o wide
NAME   READY   STATUS    RESTARTS   AGE   IP …   NODE …   NOMINATED NODE   READINESS GATES
web    1/1     Running   0          …s    10.… <node>   <none>           <none>
$ get pods --field-selector status.phase=Running,spec.nodeName=<node> -o name
pod/web
$ get pods --field-selector status.phase!=Running
No resources found in <ns> namespace.
$ describe pod web
Name:             web
Namespace:        <ns>
Priority:         0
Service Account:  default
Node:             <node>/…
Start Time:       …
Labels:           app=web
Annotations:      <none>
Status:           Running
IP:               10.…
IPs:
  IP:  10.…
Containers:
  main:
    Container ID:  docker://…
    Image:         busybox:1.37
    Image ID:      …
    Port:          <none>
    Host Port:     <none>
    Command:
      sh
      -c
…
    State:          Running
      Started:      …
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:
      /var/run/secrets/kubernetes.io/serviceaccount from kube-api-access-… (ro)
Conditions:
…
Volumes:
  kube-api-access-…:
    Type:                    Projected (a volume that contains injected data from multiple sources)
    TokenExpirationSeconds:  3607
…
QoS Class:                   BestEffort
…
Events:
  Type    Reason     Age   From               Message
  ----    ------     ----  ----               -------
  Normal  Scheduled  …  default-scheduler  Successfully assigned <ns>/web to <node>
…
  Normal  Started    …  kubelet            Started container main
$ describe pod nope
Error from server (NotFound): pods "nope" not found
[1]
$ get events --field-selector involvedObject.name=web,reason=Scheduled
LAST SEEN   TYPE     REASON      OBJECT    MESSAGE
…s …        Normal   Scheduled   pod/web   Successfully assigned <ns>/web to <node>
$ events --for pod/web --types=Warning
No events found in <ns> namespace.
""".replace("…s …        Normal", "…Normal"),
        node=space.pod("web").spec.node_name,
    )
    told = kubectl("events --for pod/web").splitlines()
    assert told[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert [row for row in told if " Started " in row and "Pod/web" in row]
    reasons = kubectl(
        "get events --sort-by=.metadata.creationTimestamp -o jsonpath='{.items[*].reason}'"
    ).split()
    assert {"Scheduled", "Started"} <= {*reasons}


def test_nodes_are_listed_and_described(kubectl: Kubectl, space: Workspace) -> None:
    node = space.node(0)
    rows = {row.split()[0]: row.split() for row in kubectl("get nodes --no-headers").splitlines()}
    assert rows[node][2:4] == ["<none>", rows[node][3]]
    assert rows[node][4].startswith("v1.37")
    wide = kubectl(f"get node {node} -o wide")
    assert "docker://" in wide
    assert "Debian GNU/Linux" in wide
    described = kubectl(f"describe node {node}")
    for part in (f"Name:               {node}\n", "Conditions:\n", "Non-terminated Pods:", f"HolderIdentity:  {node}\n",
                 "KubeletReady", "Allocated resources:\n"):  # fmt: skip
        assert part in described
    assert kubectl(f"get node {node} -o jsonpath='{{.status.nodeInfo.operatingSystem}}'") == "linux"


def test_the_api_says_what_it_is(kubectl: Kubectl) -> None:
    kubectl.follows("""
$ version
Client Version: v1.32…
Kustomize Version: …
Server Version: v1.37…
$ cluster-info
…Kubernetes control plane… is running at …https://127.0.0.1:…
…
$ get --raw /healthz
ok
$ get --raw '/readyz?verbose'
…
readyz check passed
$ get --raw /nothing
Error from server (NotFound): the server could not find the requested resource
[1]
$ api-resources --api-group=apps --no-headers
controllerrevisions            apps/v1   true   ControllerRevision
daemonsets            ds       apps/v1   true   DaemonSet
deployments           deploy   apps/v1   true   Deployment
replicasets           rs       apps/v1   true   ReplicaSet
statefulsets          sts      apps/v1   true   StatefulSet
$ api-resources --api-group=scheduling.k8s.io -o wide
NAME              SHORTNAMES   APIVERSION             NAMESPACED   KIND            VERBS                                                        CATEGORIES
priorityclasses   pc           scheduling.k8s.io/v1   false        PriorityClass   create,delete,deletecollection,get,list,patch,update,watch
$ explain pods.spec.containers.image
KIND:       Pod
VERSION:    v1

FIELD: image <string>

…
$ explain deployment.spec.replicas
GROUP:      apps
KIND:       Deployment
VERSION:    v1

FIELD: replicas <integer>

…
$ explain hpa --api-version=autoscaling/v1
GROUP:      autoscaling
KIND:       HorizontalPodAutoscaler
VERSION:    v1
…
$ explain pod.spec.nothing
KIND:       Pod
VERSION:    v1

error: field "nothing" does not exist
[1]
$ explain nothing
the server doesn't have a resource type "nothing"
[1]
$ config current-context
kubernetes-admin@<project>
$ config view
apiVersion: v1
clusters:
- cluster:
    certificate-authority: ca.crt
    server: https://127.0.0.1:…
  name: <project>
contexts:
- context:
    cluster: <project>
    user: kubernetes-admin
  name: kubernetes-admin@<project>
current-context: kubernetes-admin@<project>
kind: Config
preferences: {}
users:
- name: kubernetes-admin
  user:
    client-certificate: tls.crt
    client-key: tls.key
""", project=kubectl.kubeconfig.parent.name)  # fmt: skip
    versions = kubectl("api-versions").split()
    assert {"v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "metrics.k8s.io/v1beta1"} <= set(
        versions
    )
    assert "  containers\t<[]Container> -required-\n" in kubectl("explain pod.spec --recursive")
    assert json.loads(kubectl("get --raw /version"))["platform"] == "linux/amd64"
    assert json.loads(kubectl("version -o json"))["serverVersion"]["major"] == "1"
    assert json.loads(kubectl("get --raw /api/v1/namespaces/default"))["metadata"]["name"] == "default"


def test_use_of_nodes_and_pods_is_told(kubectl: Kubectl, space: Workspace) -> None:
    space.start(pod("busy", container(script="while :; do :; done"), labels={"app": "busy"}))
    wait_until(lambda: kubectl.run("top pod busy").code == 0, 90, "the Pod's use is known", every=1)
    columns = kubectl("top pod busy").splitlines()
    assert columns[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert re.fullmatch(r"busy +\d+m +\d+Mi *", columns[1])
    assert re.fullmatch(
        r"busy +main +\d+m +\d+Mi *", kubectl("top pods -l app=busy --containers --no-headers").strip()
    )

    def told() -> set[str]:
        return {row.split()[0] for row in kubectl.run("top nodes --no-headers").out.splitlines()}

    wait_until(lambda: {*space.cluster.nodes} <= told(), 90, "the nodes' use is known", every=1)
    nodes = kubectl("top nodes").splitlines()
    assert nodes[0].split() == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    assert {*space.cluster.nodes} <= {row.split()[0] for row in nodes[1:]}
    kubectl.follows("""
$ top pod nope
Error from server (NotFound): …"nope" not found
[1]
""")


def test_changes_are_watched(kubectl: Kubectl, space: Workspace) -> None:
    space.apply(config_map("one", a="1"))
    with kubectl.beside("get cm -w -l watched=yes --output-watch-events") as watching:
        kubectl("label cm one watched=yes")
        assert line(watching).split() == ["EVENT", "NAME", "DATA", "AGE"]
        assert line(watching).split()[:3] == ["ADDED", "one", "1"]
        kubectl('patch cm one -p \'{"data":{"b":"2"}}\'')
        assert line(watching).split()[:3] == ["MODIFIED", "one", "2"]
        kubectl("label cm one watched-")
        assert line(watching).split()[:3] == ["DELETED", "one", "2"]
    with kubectl.beside("get cm one -w -o jsonpath='{.data}{\"\\n\"}'") as watching:
        assert line(watching) == '{"a":"1","b":"2"}\n'
        kubectl('patch cm one -p \'{"data":{"b":null}}\'')
        assert line(watching) == '{"a":"1"}\n'
    assert kubectl("get cm one -w --request-timeout=5s").splitlines()[1].split()[:2] == ["one", "1"]
