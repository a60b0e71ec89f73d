#!/usr/bin/env bash
# GPUS=16 bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
# GPUS in all (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5), and SRUN_ARGS for anything else, such as --time or --account.
# Slurm sends SIGUSR1 GRACE seconds (120) ahead of the time limit; the training then saves and ends with status 75, and
# is queued again with --resume. Inside a batch job the whole job is requeued (sbatch --requeue).
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: [GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 GRACE=120 SRUN_ARGS=…] bash $0 PARTITION JOB_NAME CONFIG [--work-dir …]" >&2
    exit 2
fi
partition=$1
job=$2
shift 2

gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-8}
if [ "$gpus" -lt "$gpus_per_node" ]; then gpus_per_node=$gpus; fi
try_again=75  # scaseg.errors.Stopped.TRY_AGAIN

train() {
    # SRUN_ARGS is a list of words on purpose.
    # shellcheck disable=SC2086
    srun --partition="$partition" --job-name="$job" --gres="gpu:$gpus_per_node" --ntasks="$gpus" \
        --ntasks-per-node="$gpus_per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
        --signal="USR1@${GRACE:-120}" ${SRUN_ARGS:-} \
        python -u "$(dirname "$0")/train.py" --launcher slurm "$@"
}

status=0
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then set -- "$@" --resume; fi
train "$@" || status=$?
while [ "$status" -eq "$try_again" ]; do
    if [ -n "${SLURM_JOB_ID:-}" ]; then
        echo "$0: requeueing job $SLURM_JOB_ID"
        exec scontrol requeue "$SLURM_JOB_ID"
    fi
    echo "$0: queued again, to resume"
    status=0
    train "$@" --resume || status=$?
done
exit "$status"
