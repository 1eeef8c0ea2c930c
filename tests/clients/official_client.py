"""The package kubernetes: its typed client, the dynamic one, watches, an informer, and the one on asyncio."""

import asyncio
import json
from http.client import HTTPConnection
from typing import Any

import cases
from cases import LARGE, World, raised, until
from kubernetes import client, config, dynamic, informer, utils, watch
from kubernetes.aio import client as aio_client
from kubernetes.aio import config as aio_config
from kubernetes.aio import stream as aio_stream
from kubernetes.aio import watch as aio_watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward, stream

MAIN = {"container": "main", "stderr": True, "stdout": True}


def connect(world: World) -> tuple[client.ApiClient, client.CoreV1Api]:
    made = config.new_client_from_config(world.kubeconfig)
    return made, client.CoreV1Api(made)


def reason(error: ApiException) -> tuple[int, str]:
    return error.status, json.loads(error.body)["reason"]


def objects_are_created_read_replaced_and_deleted(world: World) -> None:
    _, core = connect(world)
    made = core.create_namespaced_config_map(world.namespace, cases.config_map("typed", a="1"))
    assert made.metadata.uid
    assert made.metadata.creation_timestamp.tzinfo is not None
    again = raised(
        ApiException, lambda: core.create_namespaced_config_map(world.namespace, cases.config_map("typed"))
    )
    assert reason(again) == (409, "AlreadyExists")
    read = core.read_namespaced_config_map("typed", world.namespace)
    assert read.data == {"a": "1"}
    read.data = {"a": "2"}
    replaced = core.replace_namespaced_config_map("typed", world.namespace, read)
    assert replaced.data == {"a": "2"}
    late = raised(ApiException, lambda: core.replace_namespaced_config_map("typed", world.namespace, made))
    assert reason(late) == (409, "Conflict")
    dry = core.create_namespaced_config_map(world.namespace, cases.config_map("dry"), dry_run="All")
    assert dry.metadata.name == "dry"
    ended = core.delete_namespaced_config_map("typed", world.namespace, propagation_policy="Background")
    assert ended["status"] == "Success", ended
    for name in ("typed", "dry"):
        gone = raised(ApiException, lambda name=name: core.read_namespaced_config_map(name, world.namespace))
        assert reason(gone) == (404, "NotFound")
    wrong = cases.pod("Wrong Name")
    refused = raised(ApiException, lambda: core.create_namespaced_pod(world.namespace, wrong))
    assert reason(refused) == (422, "Invalid")


def collections_are_listed_in_pages_by_selectors_and_deleted(world: World) -> None:
    _, core = connect(world)
    for number in range(7):
        core.create_namespaced_config_map(world.namespace, cases.config_map(f"page-{number}"))
    names, proceed = [], ""
    while True:
        page = core.list_namespaced_config_map(
            world.namespace, label_selector="app=maps", limit=3, _continue=proceed or None
        )
        names.append([each.metadata.name for each in page.items])
        proceed = page.metadata._continue
        if not proceed:
            break
    assert [len(each) for each in names] == [3, 3, 1], names
    fields = f"metadata.name=page-3,metadata.namespace!={world.namespace}"
    assert world.namespace not in str(core.list_config_map_for_all_namespaces(field_selector=fields))
    fields = f"metadata.name=page-3,metadata.namespace={world.namespace}"
    found = core.list_config_map_for_all_namespaces(field_selector=fields)
    assert [each.metadata.namespace for each in found.items] == [world.namespace]
    core.delete_collection_namespaced_config_map(world.namespace, label_selector="app=maps")
    assert core.list_namespaced_config_map(world.namespace, label_selector="app=maps").items == []


def patches_of_four_types(world: World) -> None:
    made, core = connect(world)
    core.create_namespaced_pod(world.namespace, cases.pod("patched"))

    def patch(body: Any, kind: str, **more: Any) -> Any:
        return core.patch_namespaced_pod("patched", world.namespace, body, _content_type=kind, **more)

    body: Any = {"spec": {"containers": [{"name": "main", "image": "busybox:1.37"}]}}
    found = patch(body, "application/strategic-merge-patch+json").spec.containers
    assert [(each.image, each.env[0].value) for each in found] == [("busybox:1.37", "1")]
    merged = patch({"metadata": {"labels": {"b": "2"}}}, "application/merge-patch+json")
    assert merged.metadata.labels == {"app": "web", "b": "2"}
    body = [{"op": "remove", "path": "/metadata/labels/b"}]
    assert patch(body, "application/json-patch+json").metadata.labels == {"app": "web"}
    failing = [{"op": "test", "path": "/metadata/labels/app", "value": "other"}]
    assert raised(ApiException, lambda: patch(failing, "application/json-patch+json")).status == 422
    # What is sent without a type is a list or is not one: the client chooses.
    assert core.patch_namespaced_pod("patched", world.namespace, {"metadata": {"labels": {"c": "3"}}})
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "1"}}
    type_ = "application/apply-patch+yaml"

    def apply(manager: str, **more: Any) -> Any:
        return core.patch_namespaced_config_map(
            "applied", world.namespace, applied, field_manager=manager, _content_type=type_, **more
        )

    assert apply("one").metadata.managed_fields[0].manager == "one"
    applied["data"] = {"a": "2"}
    assert reason(raised(ApiException, lambda: apply("two"))) == (409, "Conflict")
    assert apply("two", force=True).data == {"a": "2"}
    core.delete_namespaced_pod("patched", world.namespace, grace_period_seconds=0)
    core.delete_namespaced_config_map("applied", world.namespace)
    made.close()


def watches_begin_with_what_is_there_go_on_and_end(world: World) -> None:
    _, core = connect(world)
    core.create_namespaced_config_map(world.namespace, cases.config_map("watched", a="1"))
    seen, watching = [], watch.Watch()
    for event in watching.stream(
        core.list_namespaced_config_map,
        world.namespace,
        field_selector="metadata.name=watched",
        timeout_seconds=30,
    ):
        seen.append((event["type"], event["object"].data))
        if event["type"] == "ADDED":
            body = {"data": {"a": "2"}}
            core.patch_namespaced_config_map("watched", world.namespace, body)
        elif event["type"] == "MODIFIED":
            core.delete_namespaced_config_map("watched", world.namespace)
        else:
            watching.stop()
    assert seen == [("ADDED", {"a": "1"}), ("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})], seen
    # The server ends it, and what is not there is no event.
    nothing = watch.Watch().stream(
        core.list_namespaced_config_map,
        world.namespace,
        field_selector="metadata.name=watched",
        timeout_seconds=1,
    )
    assert list(nothing) == []


def sub_resources_and_reviews(world: World) -> None:
    made, core = connect(world)
    apps, coordination = client.AppsV1Api(made), client.CoordinationV1Api(made)
    apps.create_namespaced_deployment(world.namespace, cases.deployment("scaled"))
    apps.patch_namespaced_deployment_scale("scaled", world.namespace, {"spec": {"replicas": 3}})
    scale = apps.read_namespaced_deployment_scale("scaled", world.namespace)
    assert (scale.spec.replicas, scale.status.selector) == (3, "app=scaled")
    apps.delete_namespaced_deployment("scaled", world.namespace)
    core.create_namespaced_pod(world.namespace, cases.pod("told"))
    status = core.patch_namespaced_pod_status("told", world.namespace, {"status": {"message": "well"}})
    assert status.status.message == "well"
    node = {"metadata": {"name": f"node-of-{world.namespace}"}}
    core.create_node(node)
    target = {"apiVersion": "v1", "kind": "Node", "name": node["metadata"]["name"]}
    binding = client.V1Binding(metadata={"name": "told"}, target=target)
    # The answer is a Status, where the client's types have a Binding.
    core.create_namespaced_pod_binding("told", world.namespace, binding, _preload_content=False)
    assert core.read_namespaced_pod("told", world.namespace).spec.node_name == node["metadata"]["name"]
    core.create_namespaced_pod_eviction("told", world.namespace, client.V1Eviction(metadata={"name": "told"}))
    assert core.read_namespaced_pod("told", world.namespace).metadata.deletion_timestamp
    core.delete_namespaced_pod("told", world.namespace, grace_period_seconds=0)
    core.delete_node(node["metadata"]["name"])
    lease = {
        "metadata": {"name": "held"},
        "spec": {"holderIdentity": "a", "renewTime": "2026-01-02T03:04:05.678901Z"},
    }
    coordination.create_namespaced_lease(world.namespace, lease)
    assert coordination.read_namespaced_lease("held", world.namespace).spec.renew_time.microsecond == 678901
    account = core.create_namespaced_service_account(world.namespace, {"metadata": {"name": "robot"}})
    asked = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    token = core.create_namespaced_service_account_token(
        account.metadata.name, world.namespace, asked
    ).status.token
    review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token))
    told = client.AuthenticationV1Api(made).create_token_review(review).status
    assert told.user.username == f"system:serviceaccount:{world.namespace}:robot"
    attributes = client.V1ResourceAttributes(namespace=world.namespace, verb="create", resource="pods")
    may = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    )
    assert client.AuthorizationV1Api(made).create_self_subject_access_review(may).status.allowed
    # With the token instead of the certificate, as a program in a Pod has it.
    settings = client.Configuration()
    settings.host, settings.ssl_ca_cert = made.configuration.host, made.configuration.ssl_ca_cert
    settings.api_key["authorization"] = f"Bearer {token}"
    robot = client.CoreV1Api(client.ApiClient(settings))
    assert reason(raised(ApiException, lambda: robot.list_namespaced_pod(world.namespace))) == (
        403,
        "Forbidden",
    )
    settings.api_key["authorization"] = "Bearer nonsense"
    assert raised(ApiException, lambda: robot.list_namespaced_pod(world.namespace)).status == 401


def discovery_and_the_dynamic_client(world: World) -> None:
    made, _ = connect(world)
    assert client.VersionApi(made).get_code().git_version.startswith("v1.")
    assert "v1" in client.CoreApi(made).get_api_versions().versions
    assert "apps" in [each.name for each in client.ApisApi(made).get_api_versions().groups]
    assert "pods/exec" in [each.name for each in client.CoreV1Api(made).get_api_resources().resources]
    dynamic_client = dynamic.DynamicClient(made)
    maps = dynamic_client.resources.get(api_version="v1", kind="ConfigMap")
    dynamic_client.resources.get(api_version="apps/v1", kind="Deployment")
    maps.create(body=cases.config_map("dynamic", a="1"), namespace=world.namespace)
    assert maps.get(name="dynamic", namespace=world.namespace).data.a == "1"
    type_ = "application/merge-patch+json"
    body = {"data": {"a": "2"}}
    assert maps.patch(name="dynamic", namespace=world.namespace, body=body, content_type=type_).data.a == "2"
    applied = cases.config_map("dynamic", b="3")
    maps.server_side_apply(
        body=applied, namespace=world.namespace, field_manager="here", force_conflicts=True
    )
    assert "dynamic" in [each.metadata.name for each in maps.get(namespace=world.namespace).items]
    for event in maps.watch(namespace=world.namespace, name="dynamic", timeout=30):
        assert (event["type"], event["object"].data.to_dict()) == ("ADDED", {"a": "2", "b": "3"})
        break
    maps.delete(name="dynamic", namespace=world.namespace)
    raised(dynamic.exceptions.NotFoundError, lambda: maps.get(name="dynamic", namespace=world.namespace))


def an_informer_and_manifests(world: World) -> None:
    made, core = connect(world)
    seen: list[tuple[str, str]] = []
    informed = informer.SharedInformer(
        core.list_namespaced_config_map, namespace=world.namespace, label_selector="app=maps"
    )
    for kind in (informer.ADDED, informer.MODIFIED, informer.DELETED):
        informed.add_event_handler(kind, lambda found, kind=kind: seen.append((kind, found.metadata.name)))
    informed.start()
    try:
        utils.create_from_dict(made, cases.config_map("informed"), namespace=world.namespace)
        until("an object to come", lambda: (informer.ADDED, "informed") in seen)
        core.patch_namespaced_config_map("informed", world.namespace, {"data": {"a": "1"}})
        until("a change", lambda: (informer.MODIFIED, "informed") in seen)
        assert informed.cache.get_by_key(f"{world.namespace}/informed").data == {"a": "1"}
        core.delete_namespaced_config_map("informed", world.namespace)
        until("an object to go", lambda: (informer.DELETED, "informed") in seen)
    finally:
        informed.stop()


def the_client_on_asyncio(world: World) -> None:
    async def use() -> None:
        made = await aio_config.new_client_from_config(world.kubeconfig)
        async with made:
            core = aio_client.CoreV1Api(made)
            await core.create_namespaced_config_map(world.namespace, cases.config_map("asynchronous"))
            chosen = {"field_selector": "metadata.name=asynchronous", "timeout_seconds": 30}
            async with aio_watch.Watch().stream(
                core.list_namespaced_config_map, world.namespace, **chosen
            ) as events:
                async for event in events:
                    assert event["type"] == "ADDED"
                    break
            body = {"data": {"a": "1"}}
            patched = await core.patch_namespaced_config_map("asynchronous", world.namespace, body)
            assert patched.data == {"a": "1"}
            await core.delete_namespaced_config_map("asynchronous", world.namespace)

    asyncio.run(use())


def start(world: World, core: client.CoreV1Api, name: str = "official") -> None:
    """Make the Pod whose streams are used, once."""
    made = cases.pod(name, cases.serving(world.image), cases.listening(world.image))
    core.create_namespaced_pod(world.namespace, made)
    watching = watch.Watch()
    chosen = {"field_selector": f"metadata.name={name}", "timeout_seconds": 90}
    for event in watching.stream(core.list_namespaced_pod, world.namespace, **chosen):
        conditions = event["object"].status.conditions or []
        if ("Ready", "True") in [(each.type, each.status) for each in conditions]:
            return
    raise AssertionError("the Pod was not ready")


def logs_are_read_and_followed(world: World) -> None:
    _, core = connect(world)
    start(world, core)
    read, named = core.read_namespaced_pod_log, {"container": "main"}
    assert read("official", world.namespace, **named) == "one\ntwo\n"
    assert read("official", world.namespace, tail_lines=1, **named) == "two\n"
    assert read("official", world.namespace, timestamps=True, **named).startswith("20")
    unnamed = raised(ApiException, lambda: read("official", world.namespace))
    assert "a container name must be specified for pod official, choose one of: [main ear]" in unnamed.body
    lines, watching = [], watch.Watch()
    for line in watching.stream(read, "official", world.namespace, follow=True, **named):
        lines.append(line)
        if len(lines) == 2:
            watching.stop()
    assert lines == ["one", "two"]


def commands_are_run(world: World) -> None:
    _, core = connect(world)
    connected = (core.connect_get_namespaced_pod_exec, "official", world.namespace)
    said = stream(*connected, command=["sh", "-c", "echo out; echo wrong >&2"], **MAIN)
    assert sorted(said.splitlines()) == ["out", "wrong"]
    opened = stream(
        *connected, command=["sh", "-c", "cat; exit 3"], stdin=True, _preload_content=False, **MAIN
    )
    assert opened.subprotocol == "v5.channel.k8s.io"
    opened.write_stdin("text")
    opened.close_channel(0)
    opened.run_forever(timeout=30)
    assert (opened.read_stdout(), opened.returncode) == ("text", 3)
    opened = stream(*connected, command=["cat"], stdin=True, _preload_content=False, binary=True, **MAIN)
    for begin in range(0, len(LARGE), 65536):
        opened.write_stdin(LARGE[begin : begin + 65536].encode())
    opened.close_channel(0)
    opened.run_forever(timeout=60)
    assert (opened.read_stdout() == LARGE.encode(), opened.returncode) == (True, 0)
    terminal = stream(*connected, command=["sh"], stdin=True, tty=True, _preload_content=False, **MAIN)
    terminal.write_channel(4, json.dumps({"Width": 77, "Height": 33}))
    terminal.write_stdin("stty size; exit 4\n")
    terminal.run_forever(timeout=30)
    assert "33 77" in terminal.read_stdout()
    assert terminal.returncode == 4
    gone = raised(
        ApiException,
        lambda: stream(
            core.connect_get_namespaced_pod_exec, "nope", world.namespace, command=["true"], **MAIN
        ),
    )
    assert gone.status == 404 or "404" in str(gone.reason), gone


def a_container_is_attached_to(world: World) -> None:
    _, core = connect(world)
    opened = stream(
        core.connect_get_namespaced_pod_attach, "official", world.namespace, container="ear", stdin=True, stdout=True,
        _preload_content=False,
    )  # fmt: skip
    opened.write_stdin("word\n")
    assert opened.readline_stdout(timeout=30) == "heard word"
    opened.close()


def ports_are_forwarded(world: World) -> None:
    _, core = connect(world)
    forwarded = portforward(
        core.connect_get_namespaced_pod_portforward, "official", world.namespace, ports="8080,8081"
    )
    connection = HTTPConnection("127.0.0.1", 8080)
    connection.sock = forwarded.socket(8080)
    connection.sock.setblocking(True)
    connection.request("GET", "/", headers={"Connection": "close"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"page\n")
    assert forwarded.error(8080) is None
    # Nobody listens there.
    assert "8081" in until("the error of a port", lambda: forwarded.error(8081))
    forwarded.close()
    found = core.connect_get_namespaced_pod_proxy_with_path("official:8080", world.namespace, "index.html")
    assert found == "page\n"


def streams_on_asyncio_and_the_end(world: World) -> None:
    async def use() -> str:
        settings = type.__call__(aio_client.Configuration)
        await aio_config.load_kube_config(world.kubeconfig, client_configuration=settings)
        async with aio_stream.WsApiClient(settings) as made:
            core = aio_client.CoreV1Api(made)
            return await core.connect_get_namespaced_pod_exec(
                "official", world.namespace, command=["echo", "out"], **MAIN
            )

    assert asyncio.run(use()) == "out\n"
    _, core = connect(world)
    before = core.read_namespaced_pod("official", world.namespace).metadata.resource_version
    core.delete_namespaced_pod("official", world.namespace, grace_period_seconds=1)
    # From before: a watch of what is there may begin when it has gone.
    chosen = {"field_selector": "metadata.name=official", "timeout_seconds": 60, "resource_version": before}
    told = (
        event["type"] for event in watch.Watch().stream(core.list_namespaced_pod, world.namespace, **chosen)
    )
    assert "DELETED" in told


if __name__ == "__main__":
    cases.main(
        [
            objects_are_created_read_replaced_and_deleted, collections_are_listed_in_pages_by_selectors_and_deleted,
            patches_of_four_types, watches_begin_with_what_is_there_go_on_and_end, sub_resources_and_reviews,
            discovery_and_the_dynamic_client, an_informer_and_manifests, the_client_on_asyncio,
        ],
        [
            logs_are_read_and_followed, commands_are_run, a_container_is_attached_to, ports_are_forwarded,
            streams_on_asyncio_and_the_end,
        ],
    )  # fmt: skip
