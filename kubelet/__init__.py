"""Steps 3 to 7: makes the Pods of one node real, and says how they are."""
