"""The graph of the node authorizer says what a plain look at all Pods and volumes says."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from apiserver.authorization.node.graph import Graph
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.objects.local_path import NODE_ANNOTATION, PROVISIONED_BY, PROVISIONER
from vaina.objects.pods import MIRROR

_NODES = ("a", "b", "c")
_NAMESPACES = ("x", "y")
_NAMES = ("one", "two", "pod-one-scratch")
_PODS = ("pod-one", "pod-two")
_VOLUMES = ("v", "w")
#: how a Pod may name a Secret, a ConfigMap or a claim
_WAYS = ("pull", "env", "from", "init", "secret", "projected", "csi", "cm", "cmenv", "claim", "scratch")


class Life(NamedTuple):
    """A Pod as it is stored now."""

    uid: str
    node: str
    mirror: bool
    ways: tuple[tuple[str, str], ...]
    #: Secrets that ephemeral containers name; they only become more
    added: tuple[str, ...]


class Volume(NamedTuple):
    local_node: str
    claim: tuple[str, str] | None
    secret: tuple[str, str] | None


def _pod(namespace: str, name: str, life: Life) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.namespace, pod.metadata.name, pod.metadata.uid = namespace, name, life.uid
    pod.spec.node_name = life.node
    if life.mirror:
        pod.metadata.annotations[MIRROR] = "hash"
    main, init = pod.spec.containers.add(name="main"), pod.spec.init_containers.add(name="init")
    for way, what in life.ways:
        if way == "pull":
            pod.spec.image_pull_secrets.add(name=what)
        elif way == "env":
            main.env.add(name="E").value_from.secret_key_ref.local_object_reference.name = what
        elif way == "from":
            main.env_from.add().secret_ref.local_object_reference.name = what
        elif way == "init":
            init.env_from.add().secret_ref.local_object_reference.name = what
        elif way == "cmenv":
            init.env.add(name="E").value_from.config_map_key_ref.local_object_reference.name = what
        else:
            _name_in_volume(pod.spec.volumes.add(name="scratch").volume_source, way, what)
    for what in life.added:
        one = pod.spec.ephemeral_containers.add().ephemeral_container_common
        one.env_from.add().secret_ref.local_object_reference.name = what
    return pod


def _name_in_volume(source: Any, way: str, what: str) -> None:
    if way == "secret":
        source.secret.secret_name = what
    elif way == "projected":
        source.projected.sources.add().secret.local_object_reference.name = what
    elif way == "csi":
        source.csi.node_publish_secret_ref.name = what
    elif way == "cm":
        source.config_map.local_object_reference.name = what
    elif way == "claim":
        source.persistent_volume_claim.claim_name = what
    else:
        source.ephemeral.SetInParent()


def _volume(name: str, volume: Volume) -> persistent_volume_pb2.PersistentVolume:
    made = persistent_volume_pb2.PersistentVolume()
    made.metadata.name = name
    if volume.local_node:
        made.metadata.annotations[PROVISIONED_BY] = PROVISIONER
        made.metadata.annotations[NODE_ANNOTATION] = volume.local_node
    if volume.claim is not None:
        made.spec.claim_ref.namespace, made.spec.claim_ref.name = volume.claim
    if volume.secret is not None:
        secret = made.spec.persistent_volume_source.csi.node_stage_secret_ref
        secret.namespace, secret.name = volume.secret
    return made


def _plain(
    pods: Mapping[tuple[str, str], Life], volumes: Mapping[str, Volume], node: str
) -> set[tuple[str, str, str]]:
    """Return all that a node has to do with, from nothing but what there is."""
    found: set[tuple[str, str, str]] = set()
    for (namespace, name), life in pods.items():
        if life.node != node:
            continue
        found.add(("pods", namespace, name))
        if life.mirror:
            continue
        for way, what in (*life.ways, *(("from", what) for what in life.added)):
            plural = {
                "cm": "configmaps", "cmenv": "configmaps",
                "claim": "persistentvolumeclaims", "scratch": "persistentvolumeclaims",
            }.get(way, "secrets")  # fmt: skip
            found.add((plural, namespace, f"{name}-scratch" if way == "scratch" else what))
    for name, volume in volumes.items():
        claimed = volume.claim is not None and ("persistentvolumeclaims", *volume.claim) in found
        if claimed or volume.local_node == node:
            found.add(("persistentvolumes", "", name))
        if claimed and volume.secret is not None:
            found.add(("secrets", *volume.secret))
    return found


_places = st.tuples(st.sampled_from(_NAMESPACES), st.sampled_from(_PODS))
_lives = st.builds(
    Life,
    uid=st.sampled_from(("1", "2", "3")),
    node=st.sampled_from(("", *_NODES)),
    mirror=st.sampled_from((False, False, False, True)),
    ways=st.lists(st.tuples(st.sampled_from(_WAYS), st.sampled_from(_NAMES)), max_size=3).map(tuple),
    added=st.just(()),
)
_objects = st.tuples(st.sampled_from(_NAMESPACES), st.sampled_from(_NAMES))
_volumes = st.builds(
    Volume, st.sampled_from(("", *_NODES)), st.none() | _objects, st.none() | _objects
)  # fmt: skip
_steps = st.one_of(
    st.tuples(st.just("made"), _places, _lives),
    st.tuples(st.just("bound"), _places, st.sampled_from(_NODES)),
    st.tuples(st.just("added"), _places, st.sampled_from(_NAMES)),
    st.tuples(st.just("status"), _places, st.none()),
    st.tuples(st.just("gone"), _places, st.none()),
    st.tuples(st.just("volume"), st.sampled_from(_VOLUMES), _volumes),
    st.tuples(st.just("no volume"), st.sampled_from(_VOLUMES), st.none()),
    st.tuples(st.just("refilled"), st.none(), st.none()),
)


@given(st.lists(_steps, max_size=25))
def test_the_graph_is_what_a_plain_look_at_everything_says(steps: list[tuple[str, Any, Any]]) -> None:
    graph, pods, volumes = Graph(), dict[tuple[str, str], Life](), dict[str, Volume]()
    for number, (what, place, value) in enumerate(steps):
        _do(graph, pods, volumes, what, place, value, str(number))
        for node in _NODES:
            wanted = _plain(pods, volumes, node)
            assert {one for one in _everything() if graph.has_path(node, *one)} == wanted


def _do(graph: Graph, pods: Any, volumes: Any, what: str, place: Any, value: Any, uid: str) -> None:
    if what == "made":
        # The name may have belonged to another Pod, with another uid.
        pods[place] = value._replace(uid=uid)
        graph.put_pod(_pod(*place, pods[place]))
    elif what in ("bound", "added", "status") and place in pods:
        life = pods[place]
        if what == "bound" and not life.node:
            life = life._replace(node=value)
        elif what == "added":
            life = life._replace(added=(*life.added, value))
        pods[place] = life
        graph.put_pod(_pod(*place, life))
    elif what == "gone":
        pods.pop(place, None)
        graph.remove_pod(*place)
    elif what == "volume":
        volumes[place] = value
        graph.put_volume(_volume(place, value))
    elif what == "no volume":
        volumes.pop(place, None)
        graph.remove_volume(place)
    elif what == "refilled":
        graph.clear_pods()
        graph.clear_volumes()
        for key, life in pods.items():
            graph.put_pod(_pod(*key, life))
        for name, volume in volumes.items():
            graph.put_volume(_volume(name, volume))


def _everything() -> list[tuple[str, str, str]]:
    found = [("pods", namespace, name) for namespace in _NAMESPACES for name in _PODS]
    found += [("persistentvolumes", "", name) for name in _VOLUMES]
    names = {*_NAMES, *(f"{name}-scratch" for name in _PODS)}
    for plural in ("secrets", "configmaps", "persistentvolumeclaims"):
        found += [(plural, namespace, name) for namespace in _NAMESPACES for name in sorted(names)]
    return found
