"""What the node, its Pods and their containers use."""
