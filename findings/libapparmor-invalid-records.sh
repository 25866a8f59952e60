#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libapparmor 5.0.2 (Debian sid, 2026-11) calls records invalid that kernels
# write every day: parse_record() returns event 0 (AA_RECORD_INVALID) for
#
#   - apparmor="KILLED", which kernels write for a profile in kill mode
#   - class="rlimits", whatever the action
#   - peer= in hexadecimal digits, the kernel's form for a label with a blank
#
# and 4 (denied) for the same record of an ordinary denial. Tools on top of it
# (aa-notify, aa-logprof) do not show such events. The kernel's forms are those
# of Debian's 6.12 and 7.3.
#
# Takes bash, apt, dpkg-deb and gcc. Exit status 0: as described; 1: changed.
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
apt-get -qq download "libapparmor1=$version" libc6 libgcc-s1
for deb in *.deb; do
  dpkg-deb -x "$deb" root
  echo "package: $(dpkg-deb -f "$deb" Package Version | tr '\n' ' ')"
done
cat >ask.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  void *lib = dlopen("libapparmor.so.1", RTLD_NOW);
  if (!lib) { puts(dlerror()); return 2; }
  /* The record's second member is the event, see aalogparse.h. */
  int *(*parse)(char *) = (int *(*)(char *))dlsym(lib, "parse_record");
  char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    int *record = parse(line);
    printf("%d\n", record ? record[1] : -1);
  }
}
C
gcc -o ask ask.c -ldl
loader=$(find root -name ld-linux-x86-64.so.2 | head -n1)
status=0
while IFS='|' read -r want what record; do
  got=$(echo "type=AVC msg=audit(1795876483.941:17): apparmor=$record" |
    "$loader" --library-path "$(dirname "$(find root -name libapparmor.so.1 | head -n1)")" ./ask)
  echo "event $got, expected $want: $what"
  [ "$got" = "$want" ] || status=1
done <<'RECORDS'
4|an ordinary denial|"DENIED" operation="open" class="file" profile="p" name="/f" pid=7 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0
0|the same in kill mode|"KILLED" operation="open" class="file" profile="p" name="/f" pid=7 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0
0|a limit of resources|"DENIED" operation="setrlimit" class="rlimits" profile="p" pid=7 comm="c" rlimit=memlock value=0
4|a signal|"DENIED" operation="signal" class="signal" profile="p" pid=7 comm="c" requested_mask="send" denied_mask="send" signal=term peer="q"
0|a signal to a label with a blank|"DENIED" operation="signal" class="signal" profile="p" pid=7 comm="c" requested_mask="send" denied_mask="send" signal=term peer=612062
RECORDS
exit "$status"
