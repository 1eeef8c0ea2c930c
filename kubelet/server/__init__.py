"""KubeletService: logs and exec of this node's Pods, for the apiserver."""
