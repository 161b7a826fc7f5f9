#!/bin/sh
# Installs the Debian packages that a target lacks: deps.sh [build|demo|deb|rpm|check].
#
# Quiet when nothing is missing. As root it installs at once; otherwise through
# sudo, after a question when standard input is a terminal (never in CI). On
# systems without dpkg it names what has to be there and goes on.
set -eu

build="make gcc libc6-dev pkg-config libfuse3-dev libcurl4-openssl-dev libssl-dev libxml2-dev
       libcjson-dev libmicrohttpd-dev uthash-dev libxxhash-dev libsqlite3-dev"
demo="$build fuse3 curl ca-certificates"
deb="$build dpkg-dev"
rpm="$build rpm"
check="$demo git clang clang-format clang-tidy libclang-rt-14-dev llvm-14 libcriterion-dev
       python3 python3-venv nodejs npm rpm dpkg-dev mandoc libnss-myhostname openssl iproute2 procps
       rsync unzip vim-tiny nano debootstrap"

case "${1:-build}" in
  build) wanted=$build ;;
  demo)  wanted=$demo ;;
  deb)   wanted=$deb ;;
  rpm)   wanted=$rpm ;;
  check) wanted=$check ;;
  *) echo "usage: deps.sh [build|demo|deb|rpm|check]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
  command -v pkg-config >/dev/null 2>&1 &&
    pkg-config --exists fuse3 libcurl libcrypto libxml-2.0 libcjson libmicrohttpd libxxhash sqlite3 && exit 0
  echo "deps.sh: this is not a Debian system; install the equivalents of:" $wanted >&2
  exit 0
fi

# A package counts as there when it is installed, or when what it stands for came
# by other means (a newer compiler, nodejs from elsewhere, a library in /usr/local).
present() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] && return 0
  case "$1" in
    nodejs) command -v node ;;
    fuse3) command -v fusermount3 ;;
    npm|python3|git|curl|make|gcc|openssl|pkg-config) command -v "$1" ;;
    libfuse3-dev) pkg-config --exists fuse3 ;;
    libcurl4-openssl-dev) pkg-config --exists libcurl ;;
    libssl-dev) pkg-config --exists libcrypto ;;
    libxml2-dev) pkg-config --exists libxml-2.0 ;;
    libcjson-dev) pkg-config --exists libcjson ;;
    libmicrohttpd-dev) pkg-config --exists libmicrohttpd ;;
    libxxhash-dev) pkg-config --exists libxxhash ;;
    libsqlite3-dev) pkg-config --exists sqlite3 ;;
    *) return 1 ;;
  esac >/dev/null 2>&1
}

missing=
for p in $wanted; do
  present "$p" || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || {
    echo "deps.sh: missing packages:$missing (become root, or install sudo)" >&2
    exit 1
  }
  root="sudo"
  if [ -t 0 ] && [ -z "${CI:-}" ]; then
    printf 's3apfs needs these Debian packages:%s\nInstall them with sudo? [Y/n] ' "$missing"
    read -r answer
    case "$answer" in [nN]*) exit 1 ;; esac
  fi
fi
echo "installing:$missing"
apt() { $root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq "$@"; }
apt update
# shellcheck disable=SC2086
apt -y --no-install-recommends install $missing >/dev/null
