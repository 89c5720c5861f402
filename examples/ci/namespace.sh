#!/usr/bin/env bash
# Runs a command beside a service in a network of its own: namespace.sh SERVICE COMMAND…
# SERVICE is a shell command; it is to listen at 10.20.0.5 port 80 (PORT), and is ended with the network. It has to listen
# within WAIT seconds (10). The command's clients may be 10.20.64.0/18. Needs root, iproute2 and bash.
set -euo pipefail
service=${1:?usage: namespace.sh SERVICE COMMAND…}
shift
: "${1:?usage: namespace.sh SERVICE COMMAND…}"
name=service$$
port=${PORT:-80}
wait=${WAIT:-10}

# The service's processes are those of the namespace: they end with it, whatever happens here. The link would go with it as
# well, but some time later: the kernel clears namespaces up when it has time.
clean() {
  ip netns pids "$name" 2>/dev/null | xargs -r kill 2>/dev/null || true
  ip link delete "load$$" 2>/dev/null || true
  ip netns delete "$name" 2>/dev/null || true
}
trap clean EXIT
ip netns add "$name"
ip link add "load$$" type veth peer name service0 netns "$name"
ip address add 10.20.0.2/16 dev "load$$"
ip link set "load$$" up
ip -n "$name" address add 10.20.0.5/16 dev service0
ip -n "$name" link set service0 up
ip -n "$name" link set lo up
ip netns exec "$name" bash -c "$service" &

for _ in $(seq $((wait * 10))); do
  if (exec 3<>"/dev/tcp/10.20.0.5/$port") 2>/dev/null; then
    code=0
    "$@" || code=$?
    exit "$code"
  fi
  sleep 0.1
done
echo "namespace.sh: nothing listens at 10.20.0.5:$port after $wait s: $service" >&2
exit 5
