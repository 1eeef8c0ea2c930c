"""What the scheduler knows of nodes and Pods, as columns of numbers: a node is a row, texts are codes."""
