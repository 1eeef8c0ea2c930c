"""PersistentVolumes and claims: which claim gets which volume, and what becomes of volumes without a claim."""
