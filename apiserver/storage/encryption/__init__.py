"""What etcd holds of some kinds is encrypted, in upstream's format and by upstream's configuration."""
