"""What the scheduler knows of storage, and which volume a claim could have. No I/O."""
