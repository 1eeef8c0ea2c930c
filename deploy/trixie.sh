#!/usr/bin/env bash
# Takes pinned programs out of Debian trixie's packages into .tools/bin, without installing
# anything: a private apt state, fed from the mirror that this machine is set up for.
#   trixie.sh etcd      etcd and etcdctl 3.5.16 (component tests)
#   trixie.sh kubectl   kubectl 1.32 (tests of the REST API)
#   trixie.sh compose   the compose plugin, where `docker compose` is missing or too old
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

ETCD_VERSION=3.5.16
COMPOSE_VERSION=2.26
KUBECTL_VERSION=1.32
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
APT=$TOOLS/apt

apt_options=(
  -o "Dir::State=$APT/state" -o "Dir::Cache=$APT/cache" -o "Dir::Etc::sourcelist=$APT/sources.list"
  -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o "Dir::State::status=$APT/status" -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=false
)

prepare_apt() {
  on_debian || fail "this machine is not Debian or Ubuntu: please install $* yourself and put it on PATH"
  local mirror=${VAINA_DEBIAN_MIRROR:-$(debian_mirror)} keyring=$KEYRING
  mkdir -p "$APT"/{state/lists/partial,cache/archives/partial} "$TOOLS/bin"
  touch "$APT/status"
  if [[ ! -r $keyring ]]; then
    # A package of the machine's own distribution, which vouches for it.
    (cd "$APT" && apt-get download -qq debian-archive-keyring && dpkg-deb -x debian-archive-keyring_*.deb keyring) ||
      fail "$KEYRING is missing: apt-get install debian-archive-keyring"
    keyring=$APT/keyring$KEYRING
  fi
  # Ubuntu's own mirrors have no Debian.
  [[ -n $mirror ]] || fail "no Debian mirror among this machine's apt sources: set VAINA_DEBIAN_MIRROR to one (http://HOST/debian)"
  printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "$mirror" >"$APT/sources.list"
  apt-get "${apt_options[@]}" update -qq
}

# take PACKAGE=VERSION FILE...: unpacks the package and copies the files to .tools/bin.
take() {
  local package=$1 unpacked
  shift
  unpacked=$(mktemp -d)
  (cd "$unpacked" && apt-get "${apt_options[@]}" download -qq "$package" && dpkg-deb -x ./*.deb root)
  for file in "$@"; do install -m 0755 "$unpacked/root/$file" "$TOOLS/bin/"; done
  rm -rf "$unpacked"
}

case ${1:-} in
  etcd)
    if [[ -x $TOOLS/bin/etcd ]] && "$TOOLS/bin/etcd" --version | grep -q "$ETCD_VERSION"; then exit 0; fi
    say "etcd: taking $ETCD_VERSION out of Debian trixie's packages into .tools/bin"
    prepare_apt etcd "$ETCD_VERSION"
    take "etcd-server=$ETCD_VERSION*" usr/bin/etcd
    take "etcd-client=$ETCD_VERSION*" usr/bin/etcdctl
    ;;
  kubectl)
    if [[ -x $TOOLS/bin/kubectl ]] && "$TOOLS/bin/kubectl" version --client | grep -q "v$KUBECTL_VERSION"; then exit 0; fi
    say "kubectl: taking $KUBECTL_VERSION out of Debian trixie's packages into .tools/bin"
    prepare_apt "kubectl $KUBECTL_VERSION"
    take "kubectl=$KUBECTL_VERSION*" usr/bin/kubectl
    ;;
  compose)
    if "$ROOT/deploy/compose.sh" version >/dev/null 2>&1; then exit 0; fi
    say "compose: no plugin of 2.20 or newer; taking $COMPOSE_VERSION out of Debian trixie's packages into .tools/bin"
    prepare_apt "the compose plugin (2.20 or newer)"
    take "docker-compose=$COMPOSE_VERSION*" usr/libexec/docker/cli-plugins/docker-compose
    ;;
  *) fail "usage: $0 etcd|kubectl|compose" ;;
esac
