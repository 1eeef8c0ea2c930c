"""What the real kubectl writes: it makes, applies, edits, patches, replaces and deletes objects."""

import json

import pytest
import yaml

from tests.support.kubectl import Kubectl
from tests.support.manifests import config_map, pod
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.beside_others, pytest.mark.timeout(300)]


def write(kubectl: Kubectl, name: str, *manifests: object) -> None:
    """Write manifests into a file beside the commands."""
    (kubectl.folder / name).write_text(yaml.safe_dump_all(manifests))


def labelled(name: str, data: dict[str, str], **labels: str) -> dict[str, object]:
    """Make a ConfigMap with labels."""
    return {**config_map(name, **data), "metadata": {"name": name, "labels": labels}}


def test_every_generator_makes_its_object(kubectl: Kubectl) -> None:
    (kubectl.folder / "settings.properties").write_text("color=red\n")
    kubectl.follows("""
$ create deployment shop --image=busybox:1.37 --replicas=0 --port=8080 -- sleep 3600
deployment.apps/shop created
$ create job once --image=busybox:1.37 --dry-run=server -- true
job.batch/once created (server dry run)
$ create cronjob nightly --image=busybox:1.37 --schedule='0 3 * * *' -- date
cronjob.batch/nightly created
$ create job now --from=cronjob/nightly
job.batch/now created
$ create configmap settings --from-literal=a=1 --from-file=settings.properties
configmap/settings created
$ create secret generic keys --from-literal=password=s3cret
secret/keys created
$ create secret docker-registry pull --docker-server=r.example --docker-username=u --docker-password=p
secret/pull created
$ create quota few --hard=pods=20,configmaps=50
resourcequota/few created
$ create role reader --verb=get,list --resource=pods,deployments.apps
role.rbac.authorization.k8s.io/reader created
$ create serviceaccount robot
serviceaccount/robot created
$ create rolebinding robot --role=reader --serviceaccount=<ns>:robot --user=jane --group=readers
rolebinding.rbac.authorization.k8s.io/robot created
$ create poddisruptionbudget shop --selector=app=shop --min-available=1
poddisruptionbudget.policy/shop created
$ create service clusterip shop --tcp=80:8080
service/shop created
$ create service nodeport shop-nodes --tcp=80:8080
service/shop-nodes created
$ create service externalname away --external-name=example.com
service/away created
$ create ingress shop --rule=shop.example/*=shop:80
ingress.networking.k8s.io/shop created
$ expose deployment shop --name=shop-too --port=80
service/shop-too exposed
$ autoscale deployment shop --max=5 --cpu-percent=80
horizontalpodautoscaler.autoscaling/shop autoscaled
$ run lonely --image=busybox:1.37 --dry-run=client -o name
pod/lonely
$ create namespace <ns>
Error from server (AlreadyExists): namespaces "<ns>" already exists
[1]
$ create configmap settings
error: failed to create configmap: configmaps "settings" already exists
[1]
$ create secret generic BAD_NAME --from-literal=a=b
error: failed to create secret Secret "BAD_NAME" is invalid: metadata.name: Invalid value: "BAD_NAME": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
[1]
$ get secret keys -o jsonpath='{.data.password}{"\\n"}'
czNjcmV0
$ get secret
NAME   TYPE                             DATA   AGE
keys   Opaque                           1      …s
pull   kubernetes.io/dockerconfigjson   1      …s
$ get cronjob -o wide
NAME      SCHEDULE    TIMEZONE   SUSPEND   ACTIVE   LAST SCHEDULE   AGE   CONTAINERS   IMAGES         SELECTOR
nightly   0 3 * * *   <none>     False     …        <none>          …s    nightly      busybox:1.37   <none>
$ get rolebinding -o wide
NAME    ROLE          AGE   USERS   GROUPS    SERVICEACCOUNTS
robot   Role/reader   …s    jane    readers   <ns>/robot
$ get pdb
NAME   MIN AVAILABLE   MAX UNAVAILABLE   ALLOWED DISRUPTIONS   AGE
shop   1               N/A               0                     …s
$ get service
NAME         TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE
away         ExternalName   <none>       example.com   <none>    …s
shop         ClusterIP      <none>       <none>        80/TCP    …s
shop-nodes   NodePort       <none>       <none>        80/TCP    …s
shop-too     ClusterIP      <none>       <none>        80/TCP    …s
$ get ingress
NAME   CLASS    HOSTS          ADDRESS   PORTS   AGE
shop   <none>   shop.example             80      …s
$ describe hpa shop
…
Reference:                                             Deployment/shop
Metrics:                                               ( current / target )
  resource cpu on pods  (as a percentage of request):  <unknown> / 80%
Min replicas:                                          1
Max replicas:                                          5
…
$ describe role reader
Name:         reader
Labels:       <none>
Annotations:  <none>
PolicyRule:
  Resources         Non-Resource URLs  Resource Names  Verbs
  ---------         -----------------  --------------  -----
  pods              []                 []              [get list]
  deployments.apps  []                 []              [get list]
$ describe secret keys
Name:         keys
Namespace:    <ns>
Labels:       <none>
Annotations:  <none>

Type:  Opaque

Data
====
password:  6 bytes
$ describe quota few
Name:       few
Namespace:  <ns>
Resource    Used  Hard
--------    ----  ----
configmaps  …     50
pods        …     20
""")
    warned = kubectl.run("create service clusterip warned --tcp=80:80").err
    assert warned.startswith("Warning: Service: stored and watched, but nothing in vaina stands behind it")
    assert json.loads(kubectl("create quota few --hard=pods=3 --dry-run=client -o json"))["spec"] == {
        "hard": {"pods": "3"}
    }


def test_what_belongs_to_no_namespace_is_made_and_deleted(kubectl: Kubectl) -> None:
    kubectl.follows("""
$ create namespace <ns>-more
namespace/<ns>-more created
$ create clusterrole <ns> --verb=get --resource=nodes
clusterrole.rbac.authorization.k8s.io/<ns> created
$ create clusterrolebinding <ns> --clusterrole=<ns> --user=jane
clusterrolebinding.rbac.authorization.k8s.io/<ns> created
$ create priorityclass <ns> --value=1000 --description=high
priorityclass.scheduling.k8s.io/<ns> created
$ get priorityclass <ns> -o jsonpath='{.value} {.description}{"\\n"}'
1000 high
$ delete clusterrole/<ns> clusterrolebinding/<ns> priorityclass/<ns>
clusterrole.rbac.authorization.k8s.io "<ns>" deleted
clusterrolebinding.rbac.authorization.k8s.io "<ns>" deleted
priorityclass.scheduling.k8s.io "<ns>" deleted
$ delete namespace <ns>-more
namespace "<ns>-more" deleted
$ get namespace <ns>-more
Error from server (NotFound): namespaces "<ns>-more" not found
[1]
""")


def test_manifests_are_applied_and_compared(kubectl: Kubectl) -> None:
    write(kubectl, "one.yaml", labelled("one", {"a": "1"}, set="s"), labelled("two", {"a": "1"}, set="s"))
    write(kubectl, "changed.json", labelled("one", {"a": "2"}, set="s"))
    (kubectl.folder / "bases").mkdir()
    (kubectl.folder / "bases" / "kustomization.yaml").write_text(
        "namePrefix: k-\ngeneratorOptions: {disableNameSuffixHash: true}\n"
        "configMapGenerator: [{name: made, literals: [a=b]}]\n"
    )
    kubectl.follows("""
$ apply -f one.yaml --dry-run=client
configmap/one created (dry run)
configmap/two created (dry run)
$ apply -f one.yaml --dry-run=server
configmap/one created (server dry run)
configmap/two created (server dry run)
$ apply -f one.yaml
configmap/one created
configmap/two created
$ apply -f - < one.yaml
configmap/one unchanged
configmap/two unchanged
$ diff -f one.yaml
$ diff -f changed.json
diff -u -N …/v1.ConfigMap.<ns>.one …/v1.ConfigMap.<ns>.one
…
 apiVersion: v1
 data:
-  a: "1"
+  a: "2"
 kind: ConfigMap
…
[1]
$ apply -f changed.json
configmap/one configured
$ get cm one -o jsonpath='{.data.a}{"\\n"}'
2
$ apply view-last-applied cm one
apiVersion: v1
data:
  a: "2"
kind: ConfigMap
metadata:
  annotations: {}
  labels:
    set: s
  name: one
  namespace: <ns>
$ apply -k bases
configmap/k-made created
$ kustomize bases
apiVersion: v1
data:
  a: b
kind: ConfigMap
metadata:
  name: k-made
$ delete -k bases
configmap "k-made" deleted
$ apply -f changed.json --prune -l set=s
configmap/one unchanged
configmap/two pruned
…
$ get cm -l set=s -o name
configmap/one
""")
    write(kubectl, "unknown.json", {**config_map("bad"), "dat": {}})
    write(
        kubectl, "invalid.json", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"}, "spec": {}}
    )
    write(kubectl, "old.json", {"apiVersion": "v9", "kind": "Pod", "metadata": {"name": "bad"}, "spec": {}})
    kubectl.follows("""
$ create -f unknown.json
Error from server (BadRequest): error when creating "unknown.json": ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dat"
[1]
$ create -f unknown.json --validate=warn
configmap/bad created
$ create -f one.yaml
configmap/two created
Error from server (AlreadyExists): error when creating "one.yaml": configmaps "one" already exists
[1]
$ create -f invalid.json
The Pod "bad" is invalid: spec.containers: Required value
[1]
$ create -f old.json --validate=false
error: resource mapping not found for name: "bad" namespace: "" from "old.json": no matches for kind "Pod" in version "v9"
ensure CRDs are installed first
[1]
$ apply -f missing.json
error: the path "missing.json" does not exist
[1]
""")
    assert kubectl.run("create -f unknown.json --validate=warn --dry-run=server").err.startswith(
        'Warning: unknown field "dat"\n'
    )


def test_manifests_are_applied_on_the_server(kubectl: Kubectl) -> None:
    write(kubectl, "mine.json", config_map("shared", a="1", b="1"))
    write(kubectl, "less.json", config_map("shared", a="1"))
    write(kubectl, "yours.json", config_map("shared", a="2"))
    kubectl.follows("""
$ apply --server-side -f mine.json
configmap/shared serverside-applied
$ apply --server-side --field-manager=other -f yours.json
error: Apply failed with 1 conflict: conflict with "kubectl": .data.a
Please review the fields above--they currently have other managers. Here
…
[1]
$ apply --server-side --field-manager=other -f yours.json --force-conflicts
configmap/shared serverside-applied
$ get cm shared -o yaml --show-managed-fields
apiVersion: v1
data:
  a: "2"
  b: "1"
kind: ConfigMap
metadata:
  creationTimestamp: "…"
  managedFields:
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:data:
        f:b: {}
    manager: kubectl
    operation: Apply
    time: "…"
  - apiVersion: v1
    fieldsType: FieldsV1
    fieldsV1:
      f:data:
        f:a: {}
    manager: other
    operation: Apply
    time: "…"
  name: shared
…
$ apply --server-side -f less.json --force-conflicts --dry-run=server -o jsonpath='{.data}{"\\n"}'
{"a":"1"}
$ diff --server-side --force-conflicts -f less.json
…
-  a: "2"
-  b: "1"
+  a: "1"
…
[1]
""")


def test_objects_are_patched_labelled_and_annotated(kubectl: Kubectl, space: Workspace) -> None:
    space.apply(config_map("one", a="1"), config_map("two", a="1"), pod("still", schedulerName="nobody"))
    kubectl.follows("""
$ patch cm one -p '{"data":{"b":"2"}}'
configmap/one patched
$ patch cm one -p '{"data":{"b":"2"}}'
configmap/one patched (no change)
$ patch cm one --type=merge -p '{"data":{"b":null}}'
configmap/one patched
$ patch cm one --type=json -p '[{"op":"replace","path":"/data/a","value":"9"}]'
configmap/one patched
$ patch cm one --type=json -p '[{"op":"test","path":"/data/a","value":"0"}]'
The …is invalid: …
[1]
$ patch cm one -p '{"data":{"c":"3"}}' --dry-run=server -o jsonpath='{.data}{"\\n"}'
{"a":"9","c":"3"}
$ get cm one -o jsonpath='{.data}{"\\n"}'
{"a":"9"}
$ patch cm nope -p '{}'
Error from server (NotFound): configmaps "nope" not found
[1]
$ patch pod still -p '{"spec":{"tolerations":[{"key":"k","operator":"Exists"}]}}'
pod/still patched
$ patch pod still -p '{"spec":{"containers":[{"name":"main","image":"busybox:1.36"}]}}'
pod/still patched
$ get pod still -o jsonpath='{.spec.containers[*].image} {.spec.containers[0].command[0]}{"\\n"}'
busybox:1.36 sh
$ patch pod still --subresource=status --type=merge -p '{"status":{"message":"waits"}}'
pod/still patched
$ get pod still --subresource=status -o jsonpath='{.status.message}{"\\n"}'
waits
$ patch pod still -p '{"spec":{"nodeName":"elsewhere"}}'
The Pod "still" is invalid: spec: Forbidden: pod updates may not change fields other than …
…
[1]
$ label cm one tier=web
configmap/one labeled
$ label cm one tier=db
error: 'tier' already has a value (web), and --overwrite is false
[1]
$ label cm one tier=db --overwrite
configmap/one labeled
$ label cm one tier=db --overwrite
configmap/one not labeled
$ label cm one --list
tier=db
$ label cm -l tier=db seen=yes
configmap/one labeled
$ label cm one tier-
configmap/one unlabeled
$ label cm one tier-
label "tier" not found.
configmap/one not labeled
$ label cm one 'bad key=1'
The ConfigMap "one" is invalid: metadata.labels: Invalid value: "bad key": name part must consist of …
[1]
$ annotate cm one two note=seen
configmap/one annotated
configmap/two annotated
$ annotate cm one note- --resource-version=1
Error from server (Conflict): Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again
[1]
$ annotate cm one note-
configmap/one annotated
$ get cm one two -o jsonpath='{.items[*].metadata.annotations.note}{"\\n"}'
seen
""")


def test_objects_are_edited_and_replaced(kubectl: Kubectl, space: Workspace) -> None:
    space.apply(config_map("one", a="first"))
    edits = {"KUBE_EDITOR": "sed -i s/first/second/"}
    assert kubectl("edit cm one", env=edits) == "configmap/one edited\n"
    assert kubectl("get cm one -o jsonpath='{.data.a}'") == "second"
    assert kubectl.run("edit cm one", env=edits).err == "Edit cancelled, no changes made.\n"
    refused = kubectl.run("edit cm one", env={"KUBE_EDITOR": "sed -i s/second/3/"})
    assert refused.code == 1
    assert (
        'error: configmaps "one" could not be patched: ConfigMap in version "v1" cannot be handled'
        in refused.err
    )
    write(kubectl, "new.json", config_map("one", a="third"))
    write(kubectl, "stale.json", {
        **config_map("one", a="fourth"), "metadata": {"name": "one", "resourceVersion": "1"}
    })  # fmt: skip
    kubectl.follows("""
$ replace -f new.json
configmap/one replaced
$ get cm one -o jsonpath='{.data.a}{"\\n"}'
third
$ replace -f stale.json
Error from server (Conflict): error when replacing "stale.json": Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again
[1]
$ replace --force -f new.json
configmap "one" deleted
configmap/one replaced
""")


def test_objects_are_deleted(kubectl: Kubectl, space: Workspace) -> None:
    space.apply(*[labelled(name, {}, set="s") for name in ("a", "b")], config_map("c"), config_map("d"))
    space.start(pod("one"), pod("two"))
    write(kubectl, "c.json", config_map("c"))
    kubectl.follows("""
$ delete cm a --dry-run=server
configmap "a" deleted (server dry run)
$ delete cm -l set=s
configmap "a" deleted
configmap "b" deleted
$ delete cm -l set=s
No resources found
$ delete -f c.json
configmap "c" deleted
$ delete -f c.json
Error from server (NotFound): error when deleting "c.json": configmaps "c" not found
[1]
$ delete cm c --ignore-not-found
$ delete cm d -o name
configmap/d
$ delete pod one --wait=false
pod "one" deleted
$ wait --for=delete pod/one --timeout=60s
…
$ delete pod two --now
pod "two" deleted
$ get pods
No resources found in <ns> namespace.
""")
    space.start(pod("three"))
    kubectl.follows("""
$ delete pod three --force --grace-period=0
pod "three" force deleted
$ delete pods --all
No resources found
$ create deployment owner --image=busybox:1.37 --replicas=0
deployment.apps/owner created
$ rollout status deployment owner
deployment "owner" successfully rolled out
$ delete deployment owner --cascade=orphan
deployment.apps "owner" deleted
$ get rs -l app=owner --no-headers
owner-…   0     0     0     …s
$ delete rs --all --cascade=foreground
replicaset.apps "owner-…" deleted
$ delete all --all
No resources found
""")
