"""CronJobs make Jobs by the clock (requirement D2)."""
