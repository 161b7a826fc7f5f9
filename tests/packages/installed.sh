#!/bin/sh
# installed.sh PACKAGE: runs inside the overlay. Installs the package, uses it as an
# administrator and as a user would, removes it.
set -eu
cd /tmp/in
package=$1
user=s3apfs-visitor
arn=arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1

ok() { echo "  ok: $*"; }
fail() { echo "  FAILED: $*" >&2; if [ -s log ]; then tail -20 log >&2; fi; exit 1; }
run() { "$@" >log 2>&1 || fail "$* (exit $?)"; }
mounts_at() { awk -v dir="$1" '$5 == dir' /proc/self/mountinfo | wc -l; }
# The exit code that the command must end with.
expect() {
  want=$1; shift
  code=0
  "$@" >log 2>&1 || code=$?
  [ "$code" = "$want" ] || fail "$* ended with $code, not $want"
}
same() { cmp sample2.csv "$1" || fail "$1 differs from its source"; }
unmounted() { # DIR: not in the table, and no mount process is left
  [ "$(mounts_at "$1")" = 0 ] || fail "$1 is still mounted"
  i=0
  while grep -qx s3apfs /proc/[0-9]*/comm 2>/dev/null; do
    i=$((i + 1))
    [ $i -lt 200 ] || fail "the mount's process has not ended"
    sleep 0.1
  done
}

install_package() {
  case "$package" in
    *.deb) run dpkg -i "$package"; dpkg -L s3apfs >files ;;
    *.rpm)
      force=
      if [ -e /etc/debian_version ]; then force="--nodeps --force-debian"; fi
      run rpm -i $force "$package"
      rpm -ql s3apfs >files ;;
  esac
}

remove_package() {
  case "$package" in
    *.deb) run dpkg -r s3apfs ;;
    *.rpm) run rpm -e $([ ! -e /etc/debian_version ] || echo --force-debian) s3apfs ;;
  esac
  while read -r path; do
    if [ ! -d "$path" ] && { [ -e "$path" ] || [ -h "$path" ]; }; then fail "$path was left behind"; fi
  done <files
  [ ! -e /usr/share/doc/s3apfs ] || fail "/usr/share/doc/s3apfs was left behind"
}

start_aws() {
  s3apfs-emulator --config seed_000_001.json --port 0 --data aws --ready-file ready >emulator.log 2>&1 &
  i=0
  while [ ! -s ready ]; do
    i=$((i + 1))
    [ $i -lt 200 ] || { cat emulator.log >&2; fail "the emulator did not start"; }
    sleep 0.05
  done
  url=http://localhost:$(sed -n 's/.*"port" *: *\([0-9]*\).*/\1/p' ready | head -1)
  i=0
  while [ $i -lt 4177 ]; do i=$((i + 1)); echo "M,0.455,0.365,$i"; done >sample2.csv
  curl -sSf --aws-sigv4 aws:amz:us-east-1:s3 --user AKIAEXAMPLEADMIN0002:example/secret+of/admin/222222222222/0000 \
    -H "x-amz-content-sha256: $(sha256sum sample2.csv | cut -d' ' -f1)" -T sample2.csv "$url/test-bucket-1/sample2.csv" >log
}

write_profiles() { # HOME
  mkdir -p "$1/.aws"
  cat >"$1/.aws/credentials" <<END
[demo]
aws_access_key_id = ASIAEXAMPLEDEMOROLE1
aws_secret_access_key = example/secret+of/role/demo/000000000000
aws_session_token = example-session-token-of-role-demo//////////////////////////////////////////////////////0001
[wrong]
aws_access_key_id = ASIAEXAMPLEDEMOROLE1
aws_secret_access_key = example/secret+of/nobody/000000000000000
aws_session_token = example-session-token-of-role-demo//////////////////////////////////////////////////////0001
END
}

by_command() {
  mkdir -p /mnt/point
  run mount -t s3apfs "$arn" /mnt/point -o "profile=demo,$where"
  if (: >/mnt/point/new) 2>log; then fail "a policy that only lets read was written through"; fi
  grep -qi 'permission denied' log || fail "writing was refused otherwise than with EACCES"
  [ "$(stat -c %a /var/lib/s3apfs)" = 700 ] || fail "the state directory is not private to root"
  run umount /mnt/point
  unmounted /mnt/point
  run mount -t s3apfs "$arn" /mnt/point -o "ro,profile=demo,$where"
  same /mnt/point/sample2.csv
  grep -q " /mnt/point .* - fuse.s3apfs $arn " /proc/self/mountinfo || fail "the mount table does not name the source"
  if (: >/mnt/point/new) 2>log; then fail "a read-only mount was written to"; fi
  grep -qi 'read-only' log || fail "writing was refused otherwise than with EROFS"
  s3apfs status /mnt/point >log 2>&1 || fail "status"
  grep -q "$arn" log || fail "status does not name the source"
  run umount /mnt/point
  unmounted /mnt/point
  ok "mount -t s3apfs ARN DIR reads a file, umount ends it"
  expect 1 mount -t s3apfs "$arn" /mnt/point -o "no-such-option,$where"
  grep -q no-such-option log || fail "the message does not name the option"
  expect 32 mount -t s3apfs "$arn" /mnt/point -o "profile=wrong,$where"
  unmounted /mnt/point
  ok "mount ends with 1 for a wrong option, with 32 for keys that are refused"
}

by_fstab() {
  mkdir -p /mnt/direct /mnt/team /etc/s3apfs
  cat >/etc/s3apfs/team.conf <<END
[mount]
endpoint-url = $url
region = us-east-1
profile = demo
[dir by-arn]
source = $arn
[dir folder/by-alias]
source = test-ap-1-examplealias0000000000000000000000-s3alias
END
  cat >/etc/fstab <<END
$arn /mnt/direct s3apfs _netdev,nofail,x-systemd.automount,allow_other,profile=demo,$where 0 0
/etc/s3apfs/team.conf /mnt/team s3apfs defaults,_netdev,nosuid,nodev,noatime 0 0
END
  run mount /mnt/direct
  same /mnt/direct/sample2.csv
  run umount /mnt/direct
  for time in first second; do
    run mount -a
    [ "$(mounts_at /mnt/direct)$(mounts_at /mnt/team)" = 11 ] || fail "mount -a for the $time time mounts twice or not at all"
  done
  same /mnt/direct/sample2.csv
  same /mnt/team/by-arn/sample2.csv
  same /mnt/team/folder/by-alias/sample2.csv
  grep -q ' /mnt/team .*nosuid,nodev.*noatime' /proc/self/mountinfo || fail "the kernel did not get nosuid, nodev, noatime"
  su -s /bin/sh nobody -c 'cat /mnt/direct/sample2.csv' | cmp - sample2.csv || fail "allow_other lets nobody in"
  if su -s /bin/sh nobody -c 'cat /mnt/team/by-arn/sample2.csv' >log 2>&1; then fail "another user reads without allow_other"; fi
  run s3apfs umount /mnt/team
  run umount -a -t fuse.s3apfs
  unmounted /mnt/direct
  ok "fstab: mount DIR, mount -a twice mounts once, umount"
}

by_user() {
  if [ "$(stat -c %a /dev/fuse)" != 666 ] || [ ! -u "$(command -v fusermount3)" ]; then
    echo "  skipped: users may not mount FUSE file systems here"
    return
  fi
  useradd -d /home/$user -m $user
  write_profiles /home/$user
  mkdir /home/$user/data
  chown -R $user: /home/$user
  echo "$arn /home/$user/data s3apfs user,noauto,profile=demo,$where 0 0" >/etc/fstab
  run su $user -c "mount /home/$user/data"
  su $user -c "cat /home/$user/data/sample2.csv" | cmp - sample2.csv || fail "the user's mount"
  su $user -c 's3apfs status' >log 2>&1 || fail "status for the user"
  grep -q "$arn" log || fail "status for the user does not name the source"
  run su $user -c "umount /home/$user/data"
  unmounted /home/$user/data
  run su $user -c "s3apfs mount $arn /home/$user/data -o profile=demo,$where"
  run su $user -c "s3apfs umount /home/$user/data"
  unmounted /home/$user/data
  ok "a user mounts and unmounts, by fstab and by s3apfs"
}

install_package
[ "$(s3apfs --version)" = "s3apfs $(cat VERSION)" ] || fail "s3apfs says $(s3apfs --version)"
[ "$(readlink -f /sbin/mount.s3apfs)" = /usr/bin/s3apfs ] || fail "mount(8) finds no helper"
[ "$(readlink -f /sbin/umount.fuse.s3apfs)" = /usr/bin/s3apfs ] || fail "umount(8) finds no helper"
ok "installed: $(s3apfs --version), $(s3apfs-emulator --version)"
start_aws
where=region=us-east-1,endpoint-url=$url
write_profiles /root
by_command
by_fstab
by_user
remove_package
ok "removed without a trace"
