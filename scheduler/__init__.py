"""Step 2, SCHEDULED: gives each pending Pod a node."""
