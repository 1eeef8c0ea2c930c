"""The workers of Pods: they look, have `kubelet.decide` say what is next, and do it."""
