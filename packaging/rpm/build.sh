#!/bin/sh
# Builds build/s3apfs-VERSION-1.ARCH.rpm. Run by `make rpm`.
set -eu
cd "$(dirname "$0")/../.."
command -v rpmbuild >/dev/null 2>&1 || sh packaging/deps.sh check

version=$(cat VERSION)
top=$PWD/build/rpm
rm -rf "$top"
mkdir -p "$top"
# On Debian the build dependencies are not known to rpm's own database.
nodeps=
[ -e /etc/debian_version ] && nodeps=--nodeps
rpmbuild -bb $nodeps --build-in-place --define "_topdir $top" --define "s3apfs_version $version" \
    packaging/rpm/s3apfs.spec >"$top/log" 2>&1 || { tail -40 "$top/log" >&2; exit 1; }
cp "$top"/RPMS/*/s3apfs-*.rpm build/
echo "built $(cd build && ls s3apfs-*.rpm | sed 's|^|build/|')"
