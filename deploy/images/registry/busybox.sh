#!/bin/sh
# Packs the file system of the `busybox` image: the static program and a link for each of its commands.
set -eu
root=$(mktemp -d)
mkdir -p "$root/bin" "$root/etc" "$root/home" "$root/root" "$root/tmp" "$root/usr/sbin" "$root/var/www"
chmod 1777 "$root/tmp"
chmod 700 "$root/root"
cp /usr/bin/busybox "$root/bin/busybox"
for command in $(busybox --list); do
  [ "$command" = busybox ] || ln "$root/bin/busybox" "$root/bin/$command"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
tar -C "$root" --sort=name --numeric-owner --owner=0 --group=0 -czf "$1" .
rm -rf "$root"
