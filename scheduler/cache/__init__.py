"""What the scheduler believes of the cluster, and what keeps it up to date."""
