#!/usr/bin/env bash
# What a capture holds: inspect.sh CAPTURE
set -euo pipefail
capture=${1:?usage: inspect.sh CAPTURE}
gryphon=${GRYPHON:-gryphon}

$gryphon inspect "$capture"
# The same for programs; with --sessions a row a connection.
$gryphon inspect --json --sessions "$capture" >"${capture##*/}.json"
echo "as JSON: ${capture##*/}.json"
