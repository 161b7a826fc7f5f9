#!/bin/sh
# isolate.sh WORK PACKAGE: makes an overlay of this machine's root in memory and runs
# installed.sh in it. Runs as the first process of its own mount and process
# namespaces: whatever it starts or mounts ends with it.
set -eu
work=$1
package=$2
name=$(basename "$package")

mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/inner" "$work/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/inner" "$work/root"
root=$work/root
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
# As udev has it; here it may be root's alone.
if mknod -m 666 "$work/fuse" c 10 229 2>/dev/null; then mount --bind "$work/fuse" "$root/dev/fuse"; fi
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

mkdir "$root/tmp/in"
cp "$package" tests/packages/installed.sh tests/worlds/seed_000_001.json VERSION "$root/tmp/in"
rm -rf "$root/root/.aws"
# The machine's own copy, if any, must not stand in for the package's.
rm -rf "$root"/usr/local/bin/s3apfs* "$root"/usr/bin/s3apfs* "$root"/usr/sbin/mount.s3apfs "$root"/sbin/mount.s3apfs \
  "$root"/usr/sbin/umount.fuse.s3apfs "$root"/sbin/umount.fuse.s3apfs
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
  DEBIAN_FRONTEND=noninteractive chroot "$root" sh /tmp/in/installed.sh "$name"
