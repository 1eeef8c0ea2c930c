"""The cluster view: nodes as rooms, Pods as cells, live. `routes.py` is its beginning."""
