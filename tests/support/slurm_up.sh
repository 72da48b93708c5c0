#!/usr/bin/env bash
# Bring up a real Slurm on this one machine, from nothing, without systemd, everything in one private folder:
# munged, MariaDB, slurmdbd, slurmctld on loopback; slurmd, hence every job, in a network namespace from which the
# controller is reached and nothing else; with stand-ins for GPUs. Needs root, and apt the first time.
# slurm_up.sh LAB_DIR  then  . LAB_DIR/env.sh  and sinfo; slurm_down.sh LAB_DIR takes it down.
#
# Knobs (environment): LAB_CPUS (48) and LAB_MEM_MB (128000), which are claimed, not checked; LAB_GPUS (2);
# LAB_PORT (17000, the first of four).
set -euo pipefail
lab=${1:?slurm_up.sh LAB_DIR} here=$(cd "$(dirname "$0")" && pwd)
cpus=${LAB_CPUS:-48} memory=${LAB_MEM_MB:-128000} gpus=${LAB_GPUS:-2} port=${LAB_PORT:-17000}
host=$(hostname -s)
# The name of the namespace and of the link's end here; the addresses are those that are nobody's (RFC 5737).
net=lab$port here_ip=198.51.100.1 node_ip=198.51.100.2
[ "$(id -u)" = 0 ] || { echo "slurm_up: wanted root" >&2; exit 2; }

for file in slurm gres cgroup; do
  real=/etc/slurm/$file.conf
  # Not only a real Slurm's: another lab's that is up has its link here too.
  if [ -e "$real" ] && [ "$(readlink "$real" || true)" != "$lab/etc/$file.conf" ]; then
    echo "slurm_up: $real is another Slurm's; wanted none" >&2
    exit 2
  fi
done

needed=()
for pair in munged:munge slurmctld:slurmctld slurmd:slurmd srun:slurm-client slurmdbd:slurmdbd mariadbd:mariadb-server qsub:slurm-wlm-torque ip:iproute2; do
  command -v "${pair%%:*}" >/dev/null || needed+=("${pair##*:}")
done
if [ ${#needed[@]} -gt 0 ]; then
  # Packages start their daemons with stock settings where nothing forbids it.
  forbids=/usr/sbin/policy-rc.d
  if [ ! -e $forbids ]; then
    printf '#!/bin/sh\nexit 101\n' >$forbids
    chmod +x $forbids
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${needed[@]}" >/dev/null
fi
getent hosts "$host" >/dev/null || echo "127.0.0.1 $host" >>/etc/hosts

make_node() {
  ip netns add "$net" &&
    ip link add "$net" type veth peer name controller netns "$net" &&
    ip address add $here_ip/30 dev "$net" &&
    ip link set "$net" up &&
    ip -n "$net" address add $node_ip/30 dev controller &&
    ip -n "$net" link set controller up &&
    ip -n "$net" link set lo up
}
if [ ! -e "/run/netns/$net" ]; then
  if [ -n "$(ip route show root ${here_ip%.*}.0/24)" ]; then
    echo "slurm_up: this machine has a route to ${here_ip%.*}.0/24; wanted none" >&2
    exit 2
  fi
  make_node || { ip netns delete "$net"; echo "slurm_up: no network namespace; wanted leave to make one" >&2; exit 2; }
fi

mkdir -p "$lab"/{etc,munge,state,spool,log,dev,run/{munged,mariadbd,slurmdbd,slurmctld,slurmd}} /etc/slurm
chmod 755 "$lab" "$lab/run" "$lab/run/munged"
# munged insists on folders of its own.
[ -s "$lab/munge/key" ] || head -c 1024 /dev/urandom >"$lab/munge/key"
chown -R munge:munge "$lab/munge" "$lab/run/munged"
chmod 700 "$lab/munge"
chmod 600 "$lab/munge/key"
socket="$lab/run/munged/socket"

cat >"$lab/etc/slurm.conf" <<CONF
ClusterName=lab
SlurmctldHost=$host($here_ip)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that a node took with it is started again after that time, which is 120 s unless said.
AuthInfo=socket=$socket,cred_expire=20
StateSaveLocation=$lab/state
SlurmdSpoolDir=$lab/spool
SlurmctldPidFile=$lab/run/slurmctld/pid
SlurmdPidFile=$lab/run/slurmd/pid
SlurmctldLogFile=$lab/log/slurmctld.log
SlurmdLogFile=$lab/log/slurmd.log
# No cgroups, no affinity: works in a container without systemd. A job over its memory is killed all the same,
# within two seconds, though as FAILED, not OUT_OF_MEMORY.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
# More cores than the machine has.
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 2))
# To slurmdbd the socket is named here, not in AuthInfo.
AccountingStoragePass=$socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
NodeName=$host NodeAddr=$node_ip CPUs=$cpus RealMemory=$memory Gres=gpu:fake:$gpus State=UNKNOWN
PartitionName=cpu Nodes=$host Default=YES MaxTime=1440 State=UP
PartitionName=gpu Nodes=$host Default=NO MaxTime=1440 State=UP
CONF
# A stand-in for a GPU has to be a character device, or CUDA_VISIBLE_DEVICES is not set: twins of /dev/null.
for index in $(seq 0 $((gpus - 1))); do
  [ -e "$lab/dev/gpu$index" ] || mknod -m 666 "$lab/dev/gpu$index" c 1 3
done
echo "NodeName=$host Name=gpu Type=fake File=$lab/dev/gpu[0-$((gpus - 1))]" >"$lab/etc/gres.conf"
echo "CgroupPlugin=cgroup/v1" >"$lab/etc/cgroup.conf"
cat >"$lab/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$socket
CommunicationParameters=NoInAddrAny
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((port + 2))
SlurmUser=root
LogFile=$lab/log/slurmdbd.log
PidFile=$lab/run/slurmdbd/pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 3))
StorageUser=slurm
StoragePass=lab
StorageLoc=slurm_acct
CONF
chmod 600 "$lab/etc/slurmdbd.conf"
printf 'export SLURM_CONF=%s LAB_NET=%s\n' "$lab/etc/slurm.conf" "$net" >"$lab/env.sh"
. "$lab/env.sh"
# Jobs' inner srun is given no SLURM_CONF (snakemake-executor-plugin-slurm-jobstep drops it), so the usual place
# has to lead here as well.
for file in slurm gres cgroup; do ln -sfn "$lab/etc/$file.conf" "/etc/slurm/$file.conf"; done

failed() {
  echo "slurm_up: $1; see $lab/log" >&2
  bash "$here/slurm_down.sh" "$lab"
  exit 1
}
start() { # daemon, command...
  local daemon=$1 file="$lab/run/$1/pid"
  shift
  up() {
    local pid
    pid=$(cat "$file" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$daemon" ] &&
      grep -q . "/proc/$pid/cmdline"
  }
  up && return
  rm -f "$file"
  "$@" || failed "$daemon did not start"
  for _ in $(seq 300); do up && return; sleep 0.1; done
  failed "$daemon did not start"
}
start munged setpriv --reuid=munge --regid=munge --clear-groups munged --socket="$socket" \
  --key-file="$lab/munge/key" --pid-file="$lab/run/munged/pid" --log-file="$lab/munge/munged.log" \
  --seed-file="$lab/munge/seed" --num-threads=2
munge -S "$socket" -n | unmunge -S "$socket" >/dev/null

if [ ! -d "$lab/mysql/mysql" ]; then
  mkdir -p "$lab/mysql"
  chown mysql:mysql "$lab/mysql"
  mariadb-install-db --no-defaults --user=mysql --datadir="$lab/mysql" \
    --auth-root-authentication-method=socket --skip-test-db >"$lab/log/mysql-install.log" 2>&1
fi
chown mysql:mysql "$lab/run/mariadbd"
sql() { mariadb --no-defaults -S "$lab/run/mariadbd/socket" "$@"; }
in_background() { setsid "$@" >/dev/null 2>&1 </dev/null & }
start mariadbd in_background mariadbd --no-defaults --user=mysql --datadir="$lab/mysql" \
  --socket="$lab/run/mariadbd/socket" --pid-file="$lab/run/mariadbd/pid" --bind-address=127.0.0.1 \
  --port=$((port + 3)) --innodb-buffer-pool-size=64M --log-error="$lab/mysql/error.log"
for _ in $(seq 300); do sql -e 'select 1' >/dev/null 2>&1 && break; sleep 0.1; done
for at in localhost 127.0.0.1; do
  sql -e "create user if not exists slurm@'$at' identified by 'lab'; grant all on slurm_acct.* to slurm@'$at';"
done
sql -e 'create database if not exists slurm_acct;'
start slurmdbd slurmdbd
for _ in $(seq 100); do sacctmgr -n list cluster >/dev/null 2>&1 && break; sleep 0.2; done
# Each exists already the second time.
sacctmgr -i add cluster lab >/dev/null 2>&1 || true
sacctmgr -i add account lab Description=lab Organization=lab >/dev/null 2>&1 || true
sacctmgr -i add user "$(id -un)" Account=lab AdminLevel=Admin >/dev/null 2>&1 || true

start slurmctld slurmctld
start slurmd nsenter --net="/run/netns/$net" slurmd
# There may be jobs already, where the controller or the node comes back.
takes_jobs() { [[ $(sinfo -h -p cpu -o %T 2>/dev/null) =~ ^(idle|mixed|allocated)$ ]]; }
for _ in $(seq 150); do takes_jobs && break; sleep 0.2; done
takes_jobs || failed "the node takes no jobs"
sinfo -N -o '%N %T %c %m %G %P'
echo "slurm_up: ready; . $lab/env.sh"
