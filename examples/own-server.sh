#!/usr/bin/env bash
# Plays a capture against a real server: own-server.sh CAPTURE HOST:PORT [USERS] [further options]
# Needs root or CAP_NET_RAW. Clients are addresses that nobody has, so the target needs a route for its
# replies to come back here, or --clients with unused addresses of its own link. The dry run prints what
# is needed; nothing is sent before you agree.
set -euo pipefail
capture=${1:?usage: own-server.sh CAPTURE HOST:PORT [USERS] [options]}
target=${2:?usage: own-server.sh CAPTURE HOST:PORT [USERS] [options]}
users=${3:-100}
gryphon=${GRYPHON:-gryphon}

$gryphon replay "$capture" --target "$target" --users "$users" "${@:4}" --dry-run
if [[ -t 0 ]]; then
  read -rp 'Is the target ready? [y/N] ' answer
  [[ $answer == y* ]] || exit 0
fi
$gryphon replay "$capture" --target "$target" --users "$users" "${@:4}"
