#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the disk of a machine that runs libvirtd: packages of a Debian suite,
# its kernel for clouds, and no init but guest/init.
#
#   image.sh SUITE DIR     SUITE is trixie or trixie-backports; DIR gets
#                          root.img, vmlinuz, initrd and the file versions
#
# Takes some minutes and 3 GB. As root (mmdebstrap sets owners and runs the
# packages' scripts), with mmdebstrap, busybox-static, cpio and e2fsprogs.
set -euo pipefail
suite=$1 dir=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$dir.part
# clean removes what is not finished. An interrupted mmdebstrap leaves the
# machine's own /dev, /proc and /sys mounted in it, and those must stay.
clean() {
  local point
  while read -r _ point _; do
    case $point in "$work"/*) umount "$point" || return ;; esac
  done < <(tac /proc/mounts)
  rm -rf --one-file-system "$work"
}
clean
mkdir -p "$work"
trap clean EXIT

key=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | sort -u | head -1)
# What is tested comes first.
packages=(
  libvirt-daemon-system libvirt-clients libvirt-daemon-driver-qemu libvirt-daemon-driver-lxc
  apparmor qemu-system-x86 qemu-utils swtpm swtpm-tools virtiofsd passt ovmf
  busybox-static kmod procps iproute2 util-linux strace
)
sources=("deb [signed-by=$key] $mirror trixie main")
options=()
if [ "$suite" != trixie ]; then
  sources+=("deb [signed-by=$key] $mirror $suite main")
  options+=(--aptopt="APT::Default-Release \"$suite\"")
fi
printf '%s\n' "${sources[@]}" | mmdebstrap --mode=root --variant=apt --skip=check/signed-by "${options[@]}" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$(IFS=,; echo "${packages[*]}")" \
  --customize-hook="cd \"\$1/var/tmp\" && chroot \"\$1\" sh -c 'cd /var/tmp && apt-get -q download \$(apt-cache depends linux-image-cloud-amd64 | sed -n \"s/.*Depends: \\(linux-image-[0-9][^ ]*\\).*/\\1/p\")'" \
  trixie "$work/root" -
root=$work/root

# The kernel: its image goes beside the disk, its modules into it.
for deb in "$root"/var/tmp/*.deb; do dpkg-deb -x "$deb" "$work/kernel"; done
rm -f "$root"/var/tmp/*.deb
image=$(find "$work/kernel" -name 'vmlinuz*' -type f | head -1)
cp "$image" "$work/vmlinuz"
modules=$(find "$work/kernel" -type d -path '*/lib/modules/*' -prune | head -1)
release=$(basename "$modules")
mkdir -p "$root/usr/lib/modules"
cp -a "$modules" "$root/usr/lib/modules/"
depmod -b "$root" "$release" 2>/dev/null || chroot "$root" depmod "$release"

# The first file system mounts the disk and gives way to it.
first=$work/first
mkdir -p "$first"/{bin,dev,proc,sys,root,modules}
cp "$root/usr/bin/busybox" "$first/bin/busybox"
for name in virtio_blk; do
  file=$(find "$root/usr/lib/modules/$release" -name "$name.ko*" | head -1)
  case $file in
    *.xz) xz -dc "$file" >"$first/modules/$name.ko" ;;
    ?*) cp "$file" "$first/modules/$name.ko" ;;
  esac
done
install -m 755 "$here/guest/first" "$first/init"
(cd "$first" && find . | cpio -o -H newc --quiet | gzip >"$work/initrd")

chroot "$root" dpkg-query -W -f='${Package} ${Version}\n' "${packages[@]}" >"$work/versions"
echo "kernel $release" >>"$work/versions"
mke2fs -q -t ext4 -L root -d "$root" "$work/root.img" 6G
rm -rf --one-file-system "$root" "$work/kernel" "$first"
rm -rf "$dir"
mv "$work" "$dir"
