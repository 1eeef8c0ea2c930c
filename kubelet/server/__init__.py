"""What the apiserver asks a kubelet for: logs, exec, attach and port-forward of Pods, and statistics."""
