#!/usr/bin/env bash
# status.sh ID: say whether a job is running, success or failed.
folder=.snakemake/pbs job=$(cat ".snakemake/pbs/$1.job")
state=$(qstat -f "$1" 2>"$folder/$1.error" | sed -n 's/^[[:space:]]*job_state = //p')
# A server that does not answer says nothing about the job.
if [ -z "$state" ] && ! grep -qiE 'unknown|invalid|finished' "$folder/$1.error"; then echo running; exit; fi
case $state in Q | H | R | E | T | W | S) echo running; exit ;; esac

# Over; a shared disk may be late. A job that was killed leaves no exit status.
for _ in 1 2 3 4 5; do [ -s "$job.exit" ] && break; sleep 1; done
if [ "$(cat "$job.exit" 2>/dev/null)" = 0 ]; then echo success; else echo failed; fi
