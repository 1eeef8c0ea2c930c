from controller.namespace import Remaining, reconcile
from vaina.testing.builders import make_namespace
from vaina.testing.clock import EPOCH


def conditions(status):
    return {item.type: (item.status, item.message) for item in status.conditions}


def ending():
    return make_namespace("team", phase="Terminating", deleted=EPOCH)


def test_an_empty_namespace_may_go():
    is_empty, status = reconcile(ending(), [Remaining("pods.", 0)], [], now=EPOCH)
    assert is_empty
    assert [(item.type, item.status, item.reason) for item in status.conditions] == [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions"),
        ("NamespaceDeletionContentFailure", "False", "ContentDeleted"),
        ("NamespaceContentRemaining", "False", "ContentRemoved"),
        ("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers"),
    ]


def test_what_is_left_is_told_with_the_finalizers_that_hold_it():
    left = [
        Remaining("pods.", 2, (("example.com/a", 2),)),
        Remaining("replicasets.apps", 1),
        Remaining("secrets.", 0),
    ]
    is_empty, status = reconcile(ending(), left, [], now=EPOCH)
    assert not is_empty
    assert conditions(status)["NamespaceContentRemaining"] == (
        "True",
        "Some resources are remaining: pods. has 2 resource instances, replicasets.apps has 1 resource instances",
    )
    assert conditions(status)["NamespaceFinalizersRemaining"] == (
        "True",
        "Some content in the namespace has finalizers remaining: example.com/a in 2 resource instances",
    )


def test_what_could_not_be_emptied_holds_the_namespace():
    is_empty, status = reconcile(ending(), [], ["pods: etcd is away"], now=EPOCH)
    assert not is_empty
    assert conditions(status)["NamespaceDeletionContentFailure"] == (
        "True",
        "Failed to delete all resource types, 1 remaining: pods: etcd is away",
    )


def test_the_same_again_is_not_written_again():
    namespace = ending()
    namespace.status.CopyFrom(reconcile(namespace, [Remaining("pods.", 2)], [], now=EPOCH)[1])
    assert reconcile(namespace, [Remaining("pods.", 2)], [], now=EPOCH + 9)[1] is None
