"""What the real kubectl may: the administrator's, and one with the token of a ServiceAccount."""

import base64
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.cluster import wait_until
from tests.support.kubectl import Kubectl
from tests.support.manifests import config_map, pod
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.beside_others, pytest.mark.timeout(300)]


def with_token(kubectl: Kubectl, token: str, file: Path) -> Kubectl:
    """Return a kubectl of whoever has a token: of the administrator's kubeconfig it has the cluster alone."""
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    authority = config["clusters"][0]["cluster"]
    if "certificate-authority" in authority:
        authority["certificate-authority"] = str(
            kubectl.kubeconfig.parent / authority["certificate-authority"]
        )
    config["users"][0]["user"] = {"token": token}
    file.write_text(yaml.safe_dump(config))
    return kubectl.as_user(file)


def test_an_administrator_may_everything(kubectl: Kubectl) -> None:
    kubectl.follows("""
$ auth can-i get pods
yes
$ auth can-i '*' '*' --all-namespaces
yes
$ auth can-i create pods/exec
yes
$ auth can-i get /metrics
yes
$ auth whoami
ATTRIBUTE …
Username  …kubernetes-admin
Groups    …[system:masters system:authenticated]
…
$ auth can-i --list
Resources …   Non-Resource URLs   Resource Names   Verbs
…
*.*       …   []                  []               [*]
…
$ auth whoami -o jsonpath='{.status.userInfo.username}{"\\n"}'
kubernetes-admin
$ get pods --as=jane
Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "<ns>"
[1]
""")


def test_a_token_may_what_its_account_may(kubectl: Kubectl, space: Workspace, tmp_path: Path) -> None:
    space.apply(config_map("settings", a="1"), pod("alone"))
    kubectl.follows("""
$ create serviceaccount robot
serviceaccount/robot created
$ create role reader --verb=get,list,watch --resource=pods,pods/log
role.rbac.authorization.k8s.io/reader created
$ create role writer --verb=patch,get --resource=configmaps --resource-name=settings
role.rbac.authorization.k8s.io/writer created
$ create rolebinding robot-reads --role=reader --serviceaccount=<ns>:robot
rolebinding.rbac.authorization.k8s.io/robot-reads created
$ create rolebinding robot-writes --role=writer --serviceaccount=<ns>:robot
rolebinding.rbac.authorization.k8s.io/robot-writes created
$ create token nobody
error: failed to create token: serviceaccounts "nobody" not found
[1]
$ create token robot --duration=1m
error: failed to create token: …may not specify a duration less than 10 minutes
[1]
$ get serviceaccount robot
NAME    AGE
robot   …s
$ wait pod/alone --for=condition=Ready --timeout=60s
pod/alone condition met
""")
    robot = with_token(kubectl, kubectl("create token robot --duration=1h").strip(), tmp_path / "robot.yaml")
    who = f"system:serviceaccount:{space.namespace}:robot"
    robot.follows(
        """
$ auth whoami -o jsonpath='{.status.userInfo.username} {.status.userInfo.groups}{"\\n"}'
<who> ["system:serviceaccounts","system:serviceaccounts:<ns>","system:authenticated"]
$ auth can-i list pods
yes
$ auth can-i delete pods
no
[1]
$ auth can-i patch configmap/settings
yes
$ auth can-i list pods -n default
no
[1]
$ get pods -o name
pod/alone
$ logs alone
$ delete pod alone
Error from server (Forbidden): pods "alone" is forbidden: User "<who>" cannot delete resource "pods" in API group "" in the namespace "<ns>"
[1]
$ exec alone -- true
Error from server (Forbidden): pods "alone" is forbidden: User "<who>" cannot create resource "pods/exec" in API group "" in the namespace "<ns>"
[1]
$ get pods -n default
Error from server (Forbidden): pods is forbidden: User "<who>" cannot list resource "pods" in API group "" in the namespace "default"
[1]
$ get nodes
Error from server (Forbidden): nodes is forbidden: User "<who>" cannot list resource "nodes" in API group "" at the cluster scope
[1]
$ get secrets -A
Error from server (Forbidden): secrets is forbidden: User "<who>" cannot list resource "secrets" in API group "" at the cluster scope
[1]
$ patch configmap settings -p '{"data":{"a":"2"}}'
configmap/settings patched
$ get configmaps
Error from server (Forbidden): configmaps is forbidden: User "<who>" cannot list resource "configmaps" in API group "" in the namespace "<ns>"
[1]
$ create rolebinding more --clusterrole=cluster-admin --serviceaccount=<ns>:robot
error: failed to create rolebinding: rolebindings.rbac.authorization.k8s.io is forbidden: User "<who>" cannot create resource "rolebindings" in API group "rbac.authorization.k8s.io" in the namespace "<ns>"
[1]
$ get --raw /healthz
ok
$ get --raw /metrics
Error from server (Forbidden): forbidden: User "<who>" cannot get path "/metrics"
[1]
""",
        who=who,
    )
    kubectl("delete serviceaccount robot")
    gone = wait_until(
        lambda: found if (found := robot.run("get pods")).code else None, 60, "its token is void"
    )
    assert gone.code == 1
    assert gone.err == "error: You must be logged in to the server (Unauthorized)\n"


def test_a_wrong_token_is_nobodys(kubectl: Kubectl, tmp_path: Path) -> None:
    with_token(kubectl, "nonsense", tmp_path / "wrong.yaml").follows("""
$ get pods
error: You must be logged in to the server (Unauthorized)
[1]
$ get --raw /version
error: You must be logged in to the server (Unauthorized)
[1]
""")


def test_a_certificate_is_approved_and_signed(kubectl: Kubectl, space: Workspace) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    spec = {
        "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
    }  # fmt: skip
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    (kubectl.folder / "request.yaml").write_text(
        yaml.safe_dump({**kind, "metadata": {"name": space.namespace}, "spec": spec})
    )
    kubectl.follows("""
$ create -f request.yaml
certificatesigningrequest.certificates.k8s.io/<ns> created
$ get csr <ns> --no-headers
<ns>   …s    kubernetes.io/kube-apiserver-client   kubernetes-admin   <none>   Pending
$ certificate approve <ns>
certificatesigningrequest.certificates.k8s.io/<ns> approved
$ wait csr/<ns> --for=jsonpath='{.status.certificate}' --timeout=20s
certificatesigningrequest.certificates.k8s.io/<ns> condition met
$ get csr <ns> --no-headers
<ns>   …s    kubernetes.io/kube-apiserver-client   kubernetes-admin   <none>   Approved,Issued
$ delete csr <ns>
certificatesigningrequest.certificates.k8s.io "<ns>" deleted
""")
