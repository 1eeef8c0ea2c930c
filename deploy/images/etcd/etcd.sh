#!/bin/sh
# Starts the store, or says what is to be done where it could not: volumes from before 65532 ran it belong to root.
if [ ! -w /var/lib/etcd ] || { [ -e /var/lib/etcd/data ] && [ ! -w /var/lib/etcd/data ]; }; then
  echo "etcd: /var/lib/etcd does not belong to user $(id -u): \`make up\` gives an older volume to it (deploy/etcd-volume.sh)" >&2
  exit 1
fi
exec etcd --name=etcd --data-dir=/var/lib/etcd/data \
  --listen-client-urls=http://0.0.0.0:2379 --advertise-client-urls=http://etcd:2379 \
  --listen-metrics-urls=http://0.0.0.0:2381 --log-level=warn --max-txn-ops=1024 "$@"
