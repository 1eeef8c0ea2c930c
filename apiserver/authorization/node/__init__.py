"""What nodes may: the graph of what their Pods name, and the authorizer that asks it."""
