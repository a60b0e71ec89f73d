#!/usr/bin/env bash
# bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES_PER_NODE [arguments of tools/test.py]
# Several machines: run it on each with NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT set. Without a GPU the processes
# work on the CPU.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: [NNODES=2 NODE_RANK=0 MASTER_ADDR=host MASTER_PORT=29500] bash $0 CONFIG CHECKPOINT PROCESSES [--tta …]" >&2
    exit 2
fi
config=$1
checkpoint=$2
processes=$3
shift 3

if [ "${NNODES:-1}" -eq 1 ] && [ -z "${MASTER_PORT:-}" ]; then
    rendezvous=(--standalone)  # a free port, so that two runs on one machine do not meet
else
    rendezvous=(
        --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}"
        --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${MASTER_PORT:-29500}"
    )
fi
. "$(dirname "$0")/choose_python.sh"
exec "$python" -m torch.distributed.run "${rendezvous[@]}" --nproc-per-node "$processes" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
