#!/usr/bin/env bash
# Take down what slurm_up.sh started, and nothing else.  slurm_down.sh LAB_DIR [--purge]
set -uo pipefail
lab='' purge=0
for argument in "$@"; do case $argument in --purge) purge=1 ;; *) lab=$argument ;; esac; done
[ -n "$lab" ] && [ -f "$lab/env.sh" ] || { echo "slurm_down: '$lab' is no folder of slurm_up.sh" >&2; exit 2; }
. "$lab/env.sh"

# Jobs first: a daemon that is gone ends no job.
timeout 10 scancel --user="$(id -un)" 2>/dev/null
for _ in $(seq 50); do [ -z "$(timeout 5 squeue --noheader 2>/dev/null)" ] && break; sleep 0.2; done

for daemon in slurmd slurmctld slurmdbd mariadbd munged; do
  file="$lab/run/$daemon/pid"
  [ -s "$file" ] || continue
  pid=$(cat "$file")
  # A number that has gone to another process since is left alone; one that nobody has reaped has no command line.
  ours() { [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$daemon" ] && grep -q . "/proc/$pid/cmdline"; }
  ours && kill "$pid"
  for _ in $(seq 100); do ours || break; sleep 0.1; done
  ours && kill -9 "$pid"
  rm -f "$file"
done
# What is left in the node's namespace is left of its jobs.
for pid in $(ip netns pids "$LAB_NET" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
[ -e "/run/netns/$LAB_NET" ] && ip netns delete "$LAB_NET"
for file in slurm gres cgroup; do
  [ "$(readlink "/etc/slurm/$file.conf" 2>/dev/null)" = "$lab/etc/$file.conf" ] && rm -f "/etc/slurm/$file.conf"
done
[ $purge = 1 ] && rm -rf "$lab"
exit 0
