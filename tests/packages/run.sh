#!/bin/sh
# Checks `make install`, `make uninstall`, the deb and the rpm: what they hold, that
# the manual is readable and true to the options, and, as root, that each package
# installs, mounts through mount(8) and fstab, and goes without a trace. Nothing is
# installed on this machine: packages go into an overlay of it (isolate.sh).
set -eu
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL VARIANT BUILD PREFIX DESTDIR 2>/dev/null || true

work=$(mktemp -d "${TMPDIR:-/tmp}/s3apfs-packages.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

version=$(cat VERSION)
say() { printf '\n== %s\n' "$*"; }
ok() { echo "ok: $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# The paths of a list (one a line, from the top, without a slash in front) that must
# be in every kind of installation; $2 is the prefix, $3 the folder of the mount helpers.
check_list() {
  for path in "$2/bin/s3apfs" "$2/bin/s3apfs-emulator" "$3/mount.s3apfs" "$3/umount.fuse.s3apfs" \
      "$2/share/bash-completion/completions/s3apfs" "$2/share/doc/s3apfs/README.md" \
      "$2/share/doc/s3apfs/docs/emulator.md" "$2/share/doc/s3apfs/examples/world.json"; do
    grep -qx "$path" "$1" || fail "$path is missing in $(cat "$1")"
  done
  for page in man1/s3apfs.1 man1/s3apfs-emulator.1 man8/mount.s3apfs.8; do
    grep -qx "$2/share/man/$page\(\.gz\)\?" "$1" || fail "the page $page is missing"
  done
}

check_version() { # program...
  for program in "$@"; do
    said=$("$program" --version)
    [ "$said" = "$(basename "$program") $version" ] || fail "$program says '$said', not version $version"
  done
}

say "make install, make uninstall"
make -s programs
make -s install DESTDIR="$work/root"
(cd "$work/root" && find . ! -type d | sed 's|^\./||' | sort) >"$work/list"
check_list "$work/list" usr/local sbin
check_version "$work/root/usr/local/bin/s3apfs" "$work/root/usr/local/bin/s3apfs-emulator"
[ "$(readlink "$work/root/sbin/mount.s3apfs")" = /usr/local/bin/s3apfs ] || fail "mount.s3apfs leads elsewhere"
odd=$(find "$work/root" -type f ! -path '*/bin/*' -perm /111)
[ -z "$odd" ] || fail "executable, but no programs: $odd"
ok "$(wc -l <"$work/list") files are in place, both programs say $version"
make -s uninstall DESTDIR="$work/root"
left=$(find "$work/root" ! -type d)
[ -z "$left" ] || fail "make uninstall left $left"
[ ! -e "$work/root/usr/local/share/doc/s3apfs" ] || fail "make uninstall left its documents' folder"
ok "make uninstall leaves nothing"

say "the manual"
if command -v mandoc >/dev/null 2>&1; then
  for page in docs/man/*; do
    mandoc -Tlint -W warning "$page" || fail "$page has errors"
    mandoc -Tascii "$page" | sed 's/.\x08//g' >"$work/$(basename "$page").txt"
    grep -q "s3apfs $version" "$work/$(basename "$page").txt" || fail "$page is not of version $version"
  done
  options=$(build/release/bin/s3apfs --help | awk '/^  [a-z0-9_-]+  +/ { print $1 }')
  [ "$(echo "$options" | wc -l)" -gt 20 ] || fail "s3apfs --help lists no options"
  for option in $options; do
    grep -Eq "^ +(.*, )?$option(=|,| |\$)" "$work/s3apfs.1.txt" || fail "s3apfs(1) does not tell of $option"
  done
  for option in $(sed -n 's/^ *{"\([^"]*\)", LATER.*/\1/p' src/app/settings.c); do
    if grep -Eq "^ {7}$option(=|\$)" "$work/s3apfs.1.txt"; then fail "s3apfs(1) promises $option"; fi
  done
  for command in $(build/release/bin/s3apfs --help | sed -n 's/^  s3apfs \([a-z]*\) .*/\1/p'); do
    grep -q "^       s3apfs $command" "$work/s3apfs.1.txt" || fail "s3apfs(1) does not tell of s3apfs $command"
  done
  for option in $(build/release/bin/s3apfs-emulator --help | grep -o -- '--[a-z-]*' | sort -u); do
    grep -Eq "^ +(.*, )?$option" "$work/s3apfs-emulator.1.txt" || fail "s3apfs-emulator(1) does not tell of $option"
  done
  ok "pages are clean; s3apfs(1) tells of all $(echo "$options" | wc -l) options and of none that is refused"
else
  echo "skipped: reading the manual needs mandoc"
fi

say "bash completion"
if command -v bash >/dev/null 2>&1; then
  PATH=$PWD/build/release/bin:$PATH bash -c '
    set -eu
    . packaging/s3apfs.bash-completion
    try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _s3apfs; echo "${COMPREPLY[*]-}"; }
    expect() { [ "$1" = "$2" ] || { echo "completion gives \"$1\", not \"$2\"" >&2; exit 1; }; }
    expect "$(try s3apfs um)" umount
    expect "$(try s3apfs status --j)" --json
    expect "$(try s3apfs mount x y -o ro,prof)" ro,profile' || fail "bash completion"
  ok "commands, switches and options of -o"
else
  echo "skipped: completion needs bash"
fi

say "deb"
deb=
if command -v dpkg-deb >/dev/null 2>&1; then
  make -s deb
  deb=build/s3apfs_${version}_$(dpkg --print-architecture).deb
  dpkg-deb --fsys-tarfile "$deb" | tar -tf - | sed 's|^\./||' | grep -v '/$' >"$work/list"
  check_list "$work/list" usr usr/sbin
  grep -qx usr/share/doc/s3apfs/copyright "$work/list" || fail "the deb has no copyright file"
  depends=$(dpkg-deb -f "$deb" Depends)
  for library in libc6 libfuse3-3 libcurl4 libssl3 libxml2 libcjson1 libmicrohttpd12 fuse3; do
    case "$depends" in *"$library"*) ;; *) fail "no dependency on $library: $depends" ;; esac
  done
  dpkg-deb --fsys-tarfile "$deb" | tar -tvf - >"$work/owners"
  awk '$2 != "root/root" || $1 ~ /^[-d].(.....w|....w)/ { bad = 1; print } END { exit bad }' "$work/owners" ||
    fail "owners or permissions in the deb"
  dpkg-deb -x "$deb" "$work/deb"
  check_version "$work/deb/usr/bin/s3apfs" "$work/deb/usr/bin/s3apfs-emulator"
  dpkg-deb -e "$deb" "$work/deb/DEBIAN"
  (cd "$work/deb" && md5sum -c --quiet DEBIAN/md5sums) || fail "checksums in the deb"
  ok "$(basename "$deb"): $(wc -l <"$work/list") files, dependencies found: $depends"
else
  echo "skipped: no dpkg-deb here"
fi

say "rpm"
rpm=
if command -v rpmbuild >/dev/null 2>&1; then
  make -s rpm
  rpm=$(echo build/s3apfs-"$version"-*.rpm)
  rpm -qlp "$rpm" | sed 's|^/||' >"$work/list"
  check_list "$work/list" usr usr/sbin
  rpm -qRp "$rpm" >"$work/requires"
  for needed in libfuse3.so.3 libcurl.so.4 libcrypto.so.3 libxml2.so libcjson.so libmicrohttpd.so fuse3 ca-certificates; do
    grep -q "^$needed" "$work/requires" || fail "no requirement of $needed in $(cat "$work/requires")"
  done
  ok "$(basename "$rpm"): $(rpm -qlvp "$rpm" | grep -vc ^d) files, requirements found"
else
  echo "skipped: no rpmbuild here"
fi

say "installed and mounted"
if [ "$(id -u)" != 0 ]; then
  echo "skipped: installing the packages into an overlay and mounting with mount(8) need root"
elif ! unshare -m -p -f --propagation private true 2>/dev/null; then
  echo "skipped: this root may not make mount and process namespaces"
elif [ ! -c /dev/fuse ]; then
  echo "skipped: there is no /dev/fuse here"
else
  for package in $deb $rpm; do
    echo "$(basename "$package"):"
    unshare -m -p -f --kill-child --propagation private sh tests/packages/isolate.sh "$work" "$package" ||
      fail "$(basename "$package") does not work when installed"
  done
fi
say "packages are good"
