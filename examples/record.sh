#!/usr/bin/env bash
# Records what clients say to a port of this machine: record.sh PORT [SECONDS] [FILE]
# Needs tcpdump and root (or CAP_NET_RAW). Whole packets: a cut request cannot be played.
set -euo pipefail
port=${1:?usage: record.sh PORT [SECONDS] [FILE]}
seconds=${2:-60}
file=${3:-app-$port.pcap}

# -i any: requests from this machine itself, too. -U: what was seen is in the file when it ends.
timeout --signal=INT "$seconds" tcpdump -i any -s 0 -U -Z "$(id -un)" -w "$file" "tcp port $port" || [[ $? == 124 ]]
echo "recorded: $file; next: inspect.sh $file"
