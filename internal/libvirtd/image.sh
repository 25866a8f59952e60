#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the disk of a machine that runs libvirtd, with no init but guest/init, or
# other managers that load policy, under systemd: packages of a Debian suite and
# its kernel for clouds.
#
#   image.sh SUITE DIR [managers]     SUITE is trixie or trixie-backports; DIR gets
#                                     root.img, vmlinuz, initrd and the file versions
#
# Takes some minutes and 3 GB. As root (mmdebstrap sets owners and runs the
# packages' scripts), with mmdebstrap, busybox-static, cpio and e2fsprogs.
set -euo pipefail
suite=$1 dir=$2 kind=${3:-libvirtd}
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
if [ "$kind" = managers ]; then
  packages=(
    apparmor apparmor-utils apparmor-profiles apparmor-profiles-extra
    docker.io docker-cli containerd podman runc crun lxc incus snapd
    systemd systemd-sysv udev dbus busybox-static kmod procps iproute2 util-linux strace uidmap squashfs-tools
  )
fi
sources=("deb [signed-by=$key] $mirror trixie main")
options=()
if [ "$suite" != trixie ]; then
  sources+=("deb [signed-by=$key] $mirror $suite main")
  options+=(--aptopt="APT::Default-Release \"$suite\"")
fi
# Since 6.19 the image and the modules are in packages of their own.
export KERNEL='cd /var/tmp
release=$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: linux-image-\([0-9][^ ]*\).*/\1/p")
for part in image binary modules; do
  package=linux-$part-$release
  if apt-cache show "$package" >/dev/null 2>&1; then apt-get -q download "$package"; fi
done'
# A package whose maintainer scripts, made by dh_apparmor, load its profile.
if [ "$kind" = managers ]; then KERNEL+='
apt-get -q download tcpdump libpcap0.8t64 && mkdir /var/tmp/packages && mv tcpdump*.deb libpcap*.deb /var/tmp/packages'; fi
printf '%s\n' "${sources[@]}" | mmdebstrap --mode=root --variant=apt --skip=check/signed-by "${options[@]}" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="$(IFS=,; echo "${packages[*]}")" \
  --customize-hook='chroot "$1" sh -c "$KERNEL"' \
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

if [ "$kind" = managers ]; then
  # Nothing runs but what the script starts, and what policy needs.
  find "$root/etc/systemd/system" -path '*.wants/*' -type l ! -name apparmor.service -delete
  for unit in systemd-firstboot systemd-networkd-wait-online systemd-udev-settle systemd-hwdb-update ldconfig getty@tty1 serial-getty@ttyS0; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit.service"
  done
  cp "$here/guest/script.service" "$root/etc/systemd/system/"
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -s ../script.service "$root/etc/systemd/system/multi-user.target.wants/"
fi

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
# What it was made by, from which the tests know that it is not an old one.
echo "image $(cat "$here"/image.sh "$here"/guest/first "$here"/guest/script.service | sha256sum | cut -d' ' -f1)" >>"$work/versions"
mke2fs -q -t ext4 -L root -d "$root" "$work/root.img" 6G
rm -rf --one-file-system "$root" "$work/kernel" "$first"
rm -rf "$dir"
mv "$work" "$dir"
