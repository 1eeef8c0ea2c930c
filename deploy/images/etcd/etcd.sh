#!/bin/sh
# Starts the store, or says what is to be done where it could not: volumes from before 65532 ran it belong to root.
if [ ! -w /var/lib/etcd ] || { [ -e /var/lib/etcd/data ] && [ ! -w /var/lib/etcd/data ]; }; then
  echo "etcd: /var/lib/etcd does not belong to user $(id -u): \`make up\` gives an older volume to it (deploy/etcd-volume.sh)" >&2
  exit 1
fi
certs=/certs/etcd
exec etcd --name=etcd --data-dir=/var/lib/etcd/data \
  --listen-client-urls=https://0.0.0.0:2379 --advertise-client-urls=https://etcd:2379 \
  --client-cert-auth --trusted-ca-file=$certs/ca.crt --cert-file=$certs/tls.crt --key-file=$certs/tls.key \
  --listen-peer-urls=https://127.0.0.1:2380 --initial-advertise-peer-urls=https://127.0.0.1:2380 \
  --initial-cluster=etcd=https://127.0.0.1:2380 --peer-client-cert-auth --peer-trusted-ca-file=$certs/ca.crt \
  --peer-cert-file=$certs/tls.crt --peer-key-file=$certs/tls.key \
  --client-crl-file=$certs/denied.crl --peer-crl-file=$certs/denied.crl \
  --listen-metrics-urls=http://127.0.0.1:2381 --log-level=warn --max-txn-ops=1024 "$@"
