#!/usr/bin/env bash
# Plays a capture without a network, at ten times its speed: embedded.sh CAPTURE [USERS]
# The responder is inside the process and answers as recorded: nothing leaves, no root is needed.
set -euo pipefail
capture=${1:?usage: embedded.sh CAPTURE [USERS]}
gryphon=${GRYPHON:-gryphon}

$gryphon replay "$capture" --users "${2:-1000}" --accel 10 --threshold 'errors:rate<0.1%'
