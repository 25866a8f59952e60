#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# apparmor_parser 5.0.2 (Debian sid, 2026-11) compresses what it writes for a
# kernel that shows policy/compressed_load and policy/set_load (Linux 7.3), and says which level of
# zstd it used in the second byte of the header before each frame:
#
#   - without -c the level is 3, although --help calls 10 the default of -c; with
#     -c alone it is 10
#   - a file of two profiles becomes two frames, each with a header, one after
#     the other on standard output; with -c0 it is one plain stream
#   - the same text with the features of a kernel without compressed_load is
#     plain whatever -c says, without a word about it
#
# So programs that read its output, or its cache, meet zstd frames as soon as the
# kernel is new enough, without any option.
#
# Takes bash, apt and dpkg-deb. Exit status 0: as described; 1: changed.
set -euo pipefail
version=5.0.2-5
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir -p etc lists/partial cache/archives/partial state root
: >state/status
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/*$')
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >etc/sources.list
cat >apt.conf <<CONF
#clear APT::Update;
Dir::Etc::sourcelist "$dir/etc/sources.list";
Dir::Etc::sourceparts "$dir/etc";
Dir::State "$dir/state";
Dir::State::Lists "$dir/lists";
Dir::State::status "$dir/state/status";
Dir::Cache "$dir/cache";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
export APT_CONFIG=$dir/apt.conf
apt-get -qq update
apt-get -qq download "apparmor=$version" libc6 libzstd1 libgcc-s1 libstdc++6 libapparmor1
for deb in *.deb; do
  dpkg-deb -x "$deb" root
  echo "package: $(dpkg-deb -f "$deb" Package Version | tr '\n' ' ')"
done
libs=$(dirname "$(find root -name libc.so.6 | head -n1)")
parser() {
  "$libs/ld-linux-x86-64.so.2" --library-path "$libs:root/lib/x86_64-linux-gnu" root/usr/sbin/apparmor_parser \
    --config-file=/dev/null -Q -K -q "$@"
}
printf 'abi <kernel>,\nprofile one {\n  /one r,\n}\nprofile two {\n  /two r,\n}\n' >text
features() { printf 'file {mask {create read write exec append mmap_exec link lock}\n}\npolicy {%sversions {v5 {yes\n}\nv6 {yes\n}\nv7 {yes\n}\nv8 {yes\n}\n}\n}\n' "$1"; }
features $'compressed_load {yes\n}\nset_load {yes\n}\n' >new
features '' >old

status=0
check() {
  echo "$1: got $2, expected $3"
  [ "$2" = "$3" ] || status=1
}
# The level that the header names, and how many frames there are.
form() {
  if [ "$(head -c 1 "$1" | od -An -tx1 | tr -d ' ')" != 01 ]; then
    echo plain
    return
  fi
  echo "level $(head -c 2 "$1" | tail -c 1 | od -An -tu1 | tr -d ' '), $(LC_ALL=C grep -aobP '\x28\xb5\x2f\xfd' "$1" | wc -l) frames"
}
for option in "" -c -cdefault -c0; do
  # shellcheck disable=SC2086
  parser -M new $option -S text >out
  case $option in
    "") want="level 3, 2 frames" ;;
    -c0) want=plain ;;
    *) want="level 10, 2 frames" ;;
  esac
  check "with '$option'" "$(form out)" "$want"
done
parser -M old -c10 -S text >out 2>err
check "for a kernel without compressed_load, with -c10" "$(form out)" plain
check "what it says about that" "$(wc -c <err | tr -d ' ') bytes" "0 bytes"
parser --help >help 2>&1 || true
check "--help names the default" "$(grep -o 'default: 10' help || echo nothing)" "default: 10"
exit "$status"
