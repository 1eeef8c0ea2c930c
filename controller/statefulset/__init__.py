"""StatefulSets: Pods with names and volumes that stay."""
