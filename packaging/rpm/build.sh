#!/bin/sh
# Builds build/s3apfs-VERSION-1.ARCH.rpm. Run by `make rpm`.
set -eu
cd "$(dirname "$0")/../.."
umask 022

version=$(cat VERSION)
top=$PWD/build/rpm
rm -rf "$top" build/s3apfs-"$version"-*.rpm
mkdir -p "$top"
# On Debian the build dependencies are not known to rpm's own database.
nodeps=
[ -e /etc/debian_version ] && nodeps=--nodeps
rpmbuild -bb $nodeps --build-in-place --define "_topdir $top" --define "s3apfs_version $version" \
    packaging/rpm/s3apfs.spec >"$top/log" 2>&1 || { tail -40 "$top/log" >&2; exit 1; }
cp "$top"/RPMS/*/s3apfs-"$version"-*.rpm build/
(cd build && for f in s3apfs-"$version"-*.rpm; do echo "built build/$f"; done)
