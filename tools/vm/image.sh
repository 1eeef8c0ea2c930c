#!/usr/bin/env bash
# Makes a Debian 13 for tools/vm_test.sh, of packages from the machine's own mirror: .cache/vm/disk.img, kernel, initrd. As a user
# would install it: systemd, cgroup version 2, Docker's and Compose's own packages, and a user `vaina` who may use Docker.
#   image.sh SUITE      the suite of the kernel: trixie, or bookworm for an emulated processor
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../../deploy/lib.sh"

KERNEL_SUITE=$1
VM=$ROOT/.cache/vm
GUEST=$VM/root
PACKAGES=systemd-sysv,udev,dbus,libpam-systemd,iproute2,iptables,kmod,procps,openssh-server,ca-certificates,sudo,make,git,curl,python3,python3-venv
PACKAGES+=,docker.io,docker-cli,docker-compose,apparmor,cpio,busybox-static
mirror=${VAINA_DEBIAN_MIRROR:-$(debian_mirror)}

[[ ! -s $VM/disk.img || $(cat "$VM/suite" 2>/dev/null) != "$KERNEL_SUITE" ]] || exit 0
mkdir -p "$VM"
rm -rf "$GUEST" "$VM/disk.img"
say "vm: bootstrapping Debian trixie (about two minutes)"
debootstrap --variant=minbase --include="$PACKAGES" trixie "$GUEST" ${mirror:+"$mirror"} >"$VM/debootstrap.log" 2>&1 ||
  { tail -n 20 "$VM/debootstrap.log" >&2; fail "debootstrap failed"; }

say "vm: taking the kernel of $KERNEL_SUITE"
in_guest() { chroot "$GUEST" "$@"; }
mapfile -t source <"$GUEST/etc/apt/sources.list"
printf '%s\n' "${source[0]/trixie/$KERNEL_SUITE}" >"$GUEST/etc/apt/sources.list"
cp /etc/resolv.conf "$GUEST/etc/resolv.conf"
in_guest apt-get update -qq
package=$(in_guest apt-cache depends "linux-image-$(dpkg --print-architecture)" | awk '/Depends: linux-image-[0-9]/ {print $2; exit}')
in_guest sh -c "cd /tmp && apt-get download -qq -o APT::Sandbox::User=root $package && dpkg-deb -x $package*.deb kernel && rm $package*.deb"
printf '%s\n' "${source[@]}" >"$GUEST/etc/apt/sources.list"
version=${package#linux-image-}
cp "$GUEST/tmp/kernel/boot/vmlinuz-$version" "$VM/vmlinuz"
mkdir -p "$GUEST/usr/lib/modules"
modules=("$GUEST"/tmp/kernel/lib/modules/* "$GUEST"/tmp/kernel/usr/lib/modules/*)
for folder in "${modules[@]}"; do [[ ! -d $folder ]] || cp -a "$folder" "$GUEST/usr/lib/modules/"; done
rm -rf "$GUEST/tmp/kernel"
in_guest depmod "$version"

say "vm: user, network, first program"
echo vaina-vm >"$GUEST/etc/hostname"
echo '127.0.0.1 localhost vaina-vm' >"$GUEST/etc/hosts"
echo '/dev/vda / ext4 defaults 0 1' >"$GUEST/etc/fstab"
echo 'nameserver 10.0.2.3' >"$GUEST/etc/resolv.conf"
printf '[Match]\nName=en* eth*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' >"$GUEST/etc/systemd/network/10-vm.network"
in_guest useradd --create-home --shell /bin/bash --groups docker vaina
[[ -s $VM/key ]] || ssh-keygen -q -t ed25519 -N '' -f "$VM/key"
for home in root home/vaina; do
  mkdir -p "$GUEST/$home/.ssh"
  cp "$VM/key.pub" "$GUEST/$home/.ssh/authorized_keys"
done
in_guest chown -R vaina:vaina /home/vaina
in_guest systemctl -q enable systemd-networkd ssh docker
rm -rf "$GUEST"/var/cache/apt/archives/*.deb "$GUEST"/var/lib/apt/lists/*

first=$GUEST/tmp/first
mkdir -p "$first"/{bin,modules,proc,dev,root}
cp "$GUEST/usr/bin/busybox" "$first/bin/busybox"
ln -s busybox "$first/bin/sh"
cp "$ROOT/tools/vm/init" "$first/init"
for module in virtio_pci virtio_blk crc32c_generic ext4; do
  in_guest modprobe -S "$version" --show-depends "$module" 2>/dev/null | awk '/^insmod/ {print $2}'
done | awk '!seen[$0]++' | while read -r file; do
  cp "$GUEST$file" "$first/modules/"
  echo "/modules/$(basename "$file")"
done >"$first/order"
# Compressed modules are more than busybox can load.
if compgen -G "$first/modules/*.xz" >/dev/null; then
  xz -d "$first"/modules/*.xz
  sed -i 's/\.xz$//' "$first/order"
fi
in_guest sh -c 'cd /tmp/first && find . | cpio --quiet -o -H newc' | gzip -1 >"$VM/initrd.gz"
rm -rf "$first"

say "vm: writing the disk"
truncate -s 16G "$VM/disk.new"
mkfs.ext4 -q -F -d "$GUEST" -E lazy_itable_init=1,lazy_journal_init=1 "$VM/disk.new"
mv "$VM/disk.new" "$VM/disk.img"
echo "$KERNEL_SUITE" >"$VM/suite"
rm -rf "$GUEST"
