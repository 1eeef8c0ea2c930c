"""The node-local dynamic provisioner: a claim becomes a directory on the node where its Pod goes."""
