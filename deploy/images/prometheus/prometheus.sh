#!/usr/bin/env bash
# Prometheus asks for no certificate, so it listens on one network alone, on which nobody else is but the page: `browser`,
# by whose bridge both are published on this machine's loopback. Nodes and Pods share another network with it
# (who is root there may still find a way: docs/monitoring.md).
set -euo pipefail

read -r address _ < <(getent ahostsv4 prometheus-on-browser)
echo "prometheus: listening on $address:9090"
exec prometheus --config.file=/etc/vaina/prometheus.yml --storage.tsdb.path=/var/lib/vaina-prometheus \
  --storage.tsdb.retention.time="${VAINA_PROMETHEUS_RETENTION:-24h}" --storage.tsdb.retention.size=1GB \
  --web.listen-address="$address:9090"
