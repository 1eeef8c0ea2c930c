"""Step 5, MOUNTED: the Pod's volumes on the node, and their places in its containers."""
