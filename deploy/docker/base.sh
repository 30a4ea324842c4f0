#!/bin/bash
# base.sh [NAME] - makes the base image of deploy/docker/Dockerfile from Debian's packages alone, for
# machines that reach no image registry: a minimal Debian 12. NAME is telos-base:12 unless given.
#
# Needs root, debootstrap and a Docker daemon. An image of that name that is there is left alone.
set -euo pipefail
name=${1:-telos-base:12}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
security=${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}

complain() {
  echo "base: $1" >&2
  exit 69
}
command -v debootstrap >/dev/null || complain "debootstrap is missing: apt-get install debootstrap"
docker info >/dev/null 2>&1 || complain "no Docker daemon answers: start dockerd, as somebody who may use it"
[[ $(id -u) = 0 ]] || complain "debootstrap needs root: sudo $0 $name"
if docker image inspect "$name" >/dev/null 2>&1; then
  echo "base: $name is there"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! debootstrap --variant=minbase bookworm "$work/root" "$mirror" >"$work/log" 2>&1; then
  tail -n 20 "$work/log" >&2
  complain "debootstrap failed; its last lines are above (network? DEBIAN_MIRROR=$mirror)"
fi
cat >"$work/root/etc/apt/sources.list" <<END
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $security bookworm-security main
END
rm -rf "$work"/root/var/cache/apt/*.bin "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
tar -C "$work/root" --numeric-owner -c . | docker import --change 'CMD ["/bin/bash"]' - "$name" >/dev/null
echo "base: made $name"
