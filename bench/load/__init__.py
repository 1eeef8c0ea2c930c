"""Load tests of the scheduler: workloads in YAML, Pods created at a pace, what a watch saw of them, reports
(docs/load-testing.md).
"""
