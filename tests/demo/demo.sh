#!/bin/sh
# make demo: an access point of another account and Access Grants prefixes, mounted
# and read on a local AWS. Everything printed is what the programs say at that
# moment. KEEP=1 leaves the mounts and says how to go on.
set -eu
cd "$(dirname "$0")/../.."

bin=$PWD/${BUILD:-build/release}/bin
world=$PWD/tests/worlds/seed_000_001.json
work=$(mktemp -d "${TMPDIR:-/tmp}/s3apfs-demo.XXXXXX")
bucket=blog-access-grants-333333333333-us-east-1
emulator=
ok=false

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
fail() { echo "demo: $*" >&2; exit 1; }

tidy() {
  status=$?
  $ok || status=1
  if [ "$status" = 0 ] && [ -n "${KEEP:-}" ]; then
    return
  fi
  for dir in "$work/team" "$work/user-b"; do
    if grep -q " $dir fuse.s3apfs" /proc/mounts; then "$bin/s3apfs" umount "$dir" || status=1; fi
  done
  if [ -n "$emulator" ]; then kill "$emulator" 2>/dev/null || true; wait "$emulator" 2>/dev/null || true; fi
  if [ "$status" != 0 ]; then echo "demo: failed" >&2; fi
  rm -rf --one-file-system "$work" || status=1
  if [ "$status" = 0 ]; then say "unmounted, emulator ended, nothing left behind"; fi
  exit "$status"
}
trap tidy EXIT
trap 'exit 1' INT TERM

[ -c /dev/fuse ] || fail "there is no /dev/fuse here: mounting needs it"

# 4,177 rows of nine columns, the shape of the Abalone file, from a fixed seed.
make_table() {
  awk -v seed="$1" 'BEGIN {
    x = seed
    for (row = 0; row < 4177; row++) {
      line = substr("MFI", 1 + next_number() % 3, 1)
      for (col = 0; col < 7; col++) line = line sprintf(",%.4f", next_number() / 4294967296)
      print line "," 1 + next_number() % 29
    }
  }
  function next_number() { x = (x * 1103515245 + 12345) % 4294967296; return x }'
}

# The data owner uploads with a client that is not ours.
put() { # account-number access-key-id secret bucket key file
  curl -sSf --aws-sigv4 aws:amz:us-east-1:s3 --user "$1:$2" -T "$5" \
    -H "x-amz-content-sha256: $(sha256sum "$5" | cut -d' ' -f1)" "$url/$3/$4" >/dev/null
}

say "a local AWS with the accounts, policies and grants of tests/worlds/seed_000_001.json"
"$bin/s3apfs-emulator" --config "$world" --port 0 --data "$work/aws" --ready-file "$work/ready" \
  >"$work/emulator.log" 2>&1 &
emulator=$!
i=0
while [ ! -s "$work/ready" ]; do
  i=$((i + 1))
  if [ $i -gt 200 ] || ! kill -0 "$emulator" 2>/dev/null; then fail "the emulator did not start"; fi
  sleep 0.05
done
port=$(sed -n 's/.*"port" *: *\([0-9]*\).*/\1/p' "$work/ready" | head -1)
url=http://localhost:$port
echo "s3apfs-emulator listens on $url"

say "the owners upload sample2.csv and abalone.csv with curl"
make_table 2 >"$work/sample2.csv"
make_table 1 >"$work/abalone.csv"
owner2=AKIAEXAMPLEADMIN0002 secret2=example/secret+of/admin/222222222222/0000
owner3=AKIAEXAMPLEADMIN0003 secret3=example/secret+of/admin/333333333333/0000
put $owner2 $secret2 test-bucket-1 sample2.csv "$work/sample2.csv"
for folder in Product UserA UserB; do
  put $owner3 $secret3 $bucket $folder/abalone.csv "$work/abalone.csv"
done
wc -l "$work/sample2.csv" "$work/abalone.csv" | sed "s|$work/||"

# Three people, each with the temporary keys of a role.
cat >"$work/credentials" <<END
[demo]
aws_access_key_id = ASIAEXAMPLEDEMOROLE1
aws_secret_access_key = example/secret+of/role/demo/000000000000
aws_session_token = example-session-token-of-role-demo//////////////////////////////////////////////////////0001
[usera]
aws_access_key_id = ASIAEXAMPLEUSERA0000
aws_secret_access_key = example/secret+of/sagemaker/usera/0000000
aws_session_token = example-session-token-of-sagemaker-usera-role//////////////////////////////////////////0001
[userb]
aws_access_key_id = ASIAEXAMPLEUSERB0000
aws_secret_access_key = example/secret+of/sagemaker/userb/0000000
aws_session_token = example-session-token-of-sagemaker-userb-role//////////////////////////////////////////0001
END
chmod 600 "$work/credentials"
: >"$work/config"
export AWS_SHARED_CREDENTIALS_FILE="$work/credentials" AWS_CONFIG_FILE="$work/config"
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 || true

cat >"$work/team.conf" <<END
[mount]
endpoint-url           = $url
s3control-endpoint-url = $url
sts-endpoint-url       = $url
region                 = us-east-1
state-dir              = $work/state

[dir customers]
source  = arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1
profile = demo

[dir customers-by-alias]
source  = test-ap-1-examplealias0000000000000000000000-s3alias
profile = demo

[dir Product]
source  = s3://$bucket/Product
access  = grants
profile = usera

[dir UserA]
source  = s3://$bucket/UserA
access  = grants
profile = usera
END
sed -e 's/usera/userb/; /^\[dir customers\]/,/^\[dir Product\]/{/^\[dir Product\]/!d}' "$work/team.conf" >"$work/user-b.conf"
mkdir "$work/team" "$work/user-b"

say "one configuration, four directories: an access point by ARN and by alias, two grants of user A"
sed -n '/^\[dir/,$p' "$work/team.conf"
run "$bin/s3apfs" mount "$work/team.conf" "$work/team"

say "the tree"
run find "$work/team"

say "sample2.csv through the access point of the other account"
run head -3 "$work/team/customers/sample2.csv"
for copy in "$work/sample2.csv" "$work/team/customers/sample2.csv" "$work/team/customers-by-alias/sample2.csv"; do
  run sha256sum "$copy"
done
cmp "$work/sample2.csv" "$work/team/customers/sample2.csv" || fail "the access point's copy differs from the source"
cmp "$work/sample2.csv" "$work/team/customers-by-alias/sample2.csv" || fail "the alias's copy differs from the source"
cmp "$work/abalone.csv" "$work/team/UserA/abalone.csv" || fail "the grant's copy differs from the source"
echo "all equal to their sources"

say "user A writes: a plain object, in S3 when the file is closed"
run cp "$work/sample2.csv" "$work/team/UserA/copy.csv"
curl -sSf --aws-sigv4 aws:amz:us-east-1:s3 --user "$owner3:$secret3" -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" \
  "$url/$bucket/UserA/copy.csv" >"$work/copy.csv"
cmp "$work/copy.csv" "$work/sample2.csv" || fail "what the owner finds in the bucket differs from what was written"
echo "equal in the bucket"

say "who serves what"
run "$bin/s3apfs" explain "$work/team/customers/sample2.csv"
run "$bin/s3apfs" explain "$work/team/UserA/abalone.csv"
run "$bin/s3apfs" grants --profile usera -o "endpoint-url=$url,s3control-endpoint-url=$url,sts-endpoint-url=$url,region=us-east-1"

say "user B mounts Product and, without a grant for it, user A's folder"
run "$bin/s3apfs" mount "$work/user-b.conf" "$work/user-b"
run ls -l "$work/user-b/Product"
if run cat "$work/user-b/UserA/abalone.csv" 2>"$work/denied"; then fail "user B read user A's folder"; fi
cat "$work/denied"
grep -q 'Permission denied' "$work/denied" || fail "expected: Permission denied"

say "status"
run "$bin/s3apfs" status "$work/team"
run "$bin/s3apfs" status "$work/user-b"

ok=true
if [ -n "${KEEP:-}" ]; then
  cat <<END

== left mounted (KEEP=1)
  data         $work/team and $work/user-b
  the AWS      $url, process $emulator
  look around  $bin/s3apfs status $work/team; ls $work/team
  the end      $bin/s3apfs umount $work/team; $bin/s3apfs umount $work/user-b; kill $emulator; sleep 1; rm -rf --one-file-system $work
END
fi
