#!/bin/sh
# Builds build/s3apfs_VERSION_ARCH.deb from an installed tree. Run by `make deb`.
set -eu
cd "$(dirname "$0")/../.."
umask 022

version=$(cat VERSION)
arch=$(dpkg --print-architecture)
tree=build/deb/tree
doc=$tree/usr/share/doc/s3apfs
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

rm -rf build/deb
mkdir -p "$tree/DEBIAN" build/deb/debian
make -s install DESTDIR="$tree" PREFIX=/usr SBINDIR=/usr/sbin
ln -sf ../bin/s3apfs "$tree/usr/sbin/mount.s3apfs"
ln -sf ../bin/s3apfs "$tree/usr/sbin/umount.fuse.s3apfs"
strip --strip-unneeded --remove-section=.comment "$tree"/usr/bin/*
rm "$doc/LICENSE"
install -m 0644 packaging/deb/copyright "$doc/copyright"
printf 's3apfs (%s) unstable; urgency=medium\n\n  * Changes are listed in CHANGELOG.md.\n\n -- %s  %s\n' "$version" \
    "$(sed -n 's/^Maintainer: //p' packaging/deb/control.in)" "$(date -uR -d "@$SOURCE_DATE_EPOCH")" >"$doc/changelog"
gzip -9n "$tree"/usr/share/man/man*/* "$doc/changelog"

# dpkg-shlibdeps reads the source stanza from debian/control in its working folder.
printf 'Source: s3apfs\n\nPackage: s3apfs\nArchitecture: any\n' >build/deb/debian/control
libs=$(cd build/deb && dpkg-shlibdeps -O tree/usr/bin/s3apfs tree/usr/bin/s3apfs-emulator 2>log) || {
  cat build/deb/log >&2
  exit 1
}
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@DEPENDS@/${libs#shlibs:Depends=}/" \
    -e "s/@SIZE@/$(du -sk "$tree/usr" | cut -f1)/" packaging/deb/control.in >"$tree/DEBIAN/control"
(cd "$tree" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2) >"$tree/DEBIAN/md5sums"
dpkg-deb --build --root-owner-group "$tree" "build/s3apfs_${version}_${arch}.deb" >/dev/null
echo "built build/s3apfs_${version}_${arch}.deb"
