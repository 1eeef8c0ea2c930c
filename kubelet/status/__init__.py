"""Step 7, REPORTED: what is said about Pods and about the node."""
