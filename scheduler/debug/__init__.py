"""Whether what the scheduler believes is true, for people and tests."""
