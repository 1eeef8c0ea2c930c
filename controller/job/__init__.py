"""Jobs run Pods until enough of them have succeeded (requirement D2)."""
