"""Labels and annotations by which a restarted kubelet finds everything in the runtime again (I11).

They are upstream's names where it has them, so that tools know a node's containers.
"""

POD_NAME_LABEL = "io.kubernetes.pod.name"
POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
POD_UID_LABEL = "io.kubernetes.pod.uid"
CONTAINER_NAME_LABEL = "io.kubernetes.container.name"
CONTAINER_KIND_LABEL = "vaina.dev/container-kind"
GRACE_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod"
TERMINATION_PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY_ANNOTATION = "io.kubernetes.container.terminationMessagePolicy"
#: of a sandbox and a container: "file" when its Pod is static (upstream's key in the Pod itself)
SOURCE_ANNOTATION = "kubernetes.io/config.source"
RESTART_COUNT_ANNOTATION = "io.kubernetes.container.restartCount"
#: of a container: the CPU and memory that it was made with (`kubelet.decide.resize`)
SIZES_ANNOTATION = "vaina.dev/sizes"
#: of a container: ids of the images that volumes of it show
IMAGES_ANNOTATION = "vaina.dev/images"
#: of a container: how many restarts in a row have led to it
BACKOFF_STEP = "vaina.dev/backoff-step"
