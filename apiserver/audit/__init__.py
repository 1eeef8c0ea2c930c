"""Who asked for what, and what came of it: audit.k8s.io/v1 Events as lines of JSON, by upstream's Policy.

`policy` says which requests are written and how much of them, `events` makes the lines, `log` writes them to a
file, and `auditing` wraps every method.
"""
