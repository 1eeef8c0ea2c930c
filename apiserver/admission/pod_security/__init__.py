"""The Pod Security Standards: what a Pod may ask for at each level. Follows k8s.io/pod-security-admission."""
