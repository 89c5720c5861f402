#!/usr/bin/env bash
# Installs what the tests in network namespaces need (packages.txt) on Debian or Ubuntu, as root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DEBIAN_FRONTEND=noninteractive

if [[ $(id -u) != 0 ]]; then
  echo 'install.sh: needs root, for apt-get: run it with sudo' >&2
  exit 1
fi

# The servers that the tests start themselves must not be started by their installation. Where the
# machine has a policy of its own, that one stays.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

mapfile -t packages < <(sed 's/#.*//' packages.txt | tr -s '[:space:]' '\n' | sed '/^$/d')
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
