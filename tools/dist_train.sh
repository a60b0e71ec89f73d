#!/usr/bin/env bash
# bash tools/dist_train.sh CONFIG PROCESSES_PER_NODE [arguments of tools/train.py]
# Several machines: run it on each with NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT set. Without a GPU the processes
# train on the CPU.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: [NNODES=2 NODE_RANK=0 MASTER_ADDR=host MASTER_PORT=29500] bash $0 CONFIG PROCESSES [--work-dir …]" >&2
    exit 2
fi
config=$1
processes=$2
shift 2

if [ "${NNODES:-1}" -eq 1 ] && [ -z "${MASTER_PORT:-}" ]; then
    rendezvous=(--standalone)  # a free port, so that two trainings on one machine do not meet
else
    rendezvous=(
        --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}"
        --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${MASTER_PORT:-29500}"
    )
fi
. "$(dirname "$0")/choose_python.sh"
exec "$python" -m torch.distributed.run "${rendezvous[@]}" --nproc-per-node "$processes" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
