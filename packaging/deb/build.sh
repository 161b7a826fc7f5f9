#!/bin/sh
# Builds build/s3apfs_VERSION_ARCH.deb from an installed tree. Run by `make deb`.
set -eu
cd "$(dirname "$0")/../.."

version=$(cat VERSION)
arch=$(dpkg --print-architecture)
tree=build/deb/tree
rm -rf build/deb
mkdir -p "$tree/DEBIAN" build/deb/debian
make -s install DESTDIR="$tree" PREFIX=/usr SBINDIR=/usr/sbin
strip --strip-unneeded "$tree"/usr/bin/*
gzip -9n "$tree"/usr/share/man/man*/*

# dpkg-shlibdeps reads the source stanza from debian/control in its working folder.
printf 'Source: s3apfs\n\nPackage: s3apfs\nArchitecture: any\n' >build/deb/debian/control
libs=$(cd build/deb && dpkg-shlibdeps -O tree/usr/bin/s3apfs tree/usr/bin/s3apfs-emulator 2>/dev/null)
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@DEPENDS@/${libs#shlibs:Depends=}/" \
    -e "s/@SIZE@/$(du -sk "$tree/usr" | cut -f1)/" packaging/deb/control.in >"$tree/DEBIAN/control"
(cd "$tree" && find usr -type f -exec md5sum {} +) >"$tree/DEBIAN/md5sums"
dpkg-deb --build --root-owner-group "$tree" "build/s3apfs_${version}_${arch}.deb" >/dev/null
echo "built build/s3apfs_${version}_${arch}.deb"
