#!/bin/sh
# Serves the registry (registry.sh CONFIG), and starts it anew when its certificate is renewed, or the authorities of those who
# pull change: it reads them at its start alone.
certificate() { cat /certs/registry/tls.crt /certs/registry/ca.crt | cksum; }

until [ -s /certs/registry/tls.crt ]; do sleep 0.2; done
trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 0' TERM INT
while :; do
  served=$(certificate)
  docker-registry serve "$1" &
  child=$!
  { while [ "$(certificate)" = "$served" ]; do sleep 60; done; kill -TERM "$child"; } &
  watcher=$!
  wait "$child"
  kill "$watcher" 2>/dev/null
  sleep 1
done
