"""Defaults of Pods and Pod templates: the apiserver gives them to what it stores, the kubelet to static Pods."""
