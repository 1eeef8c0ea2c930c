"""Certificate requests: those of nodes are approved, what is approved is signed, what is over is removed."""
