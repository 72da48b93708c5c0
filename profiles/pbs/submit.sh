#!/usr/bin/env bash
# submit.sh QUEUE ACCOUNT THREADS GPUS MEM_MB MINUTES JOBSCRIPT: submit one job, print its id.
set -euo pipefail
queue=$1 account=$2 threads=$3 gpus=$4 memory=$5 minutes=$6 script=$7

mkdir -p .snakemake/pbs
folder=$(cd .snakemake/pbs && pwd)
job=$(mktemp "$folder/XXXXXXXX")
# Its exit status is kept by the job itself: what a scheduler remembers of a job that is over differs.
printf 'cd %q\nbash %q\ncode=$?\necho $code > %q\nexit $code\n' "$PWD" "$script" "$job.exit" >"$job"
sed -i '1i #!/bin/bash' "$job"

id=$(qsub -V -q "$queue" -A "$account" -j oe -o "$job.log" \
  -l "nodes=1:ppn=$threads:gpus=$gpus,mem=${memory}mb,walltime=$((minutes / 60)):$((minutes % 60)):00" "$job")
echo "$job" >"$folder/$id.job"
echo "$id"
