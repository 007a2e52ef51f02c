# Becomes a machine of its own: a copy of this one's files that is thrown away, its own processes, network, host name and
# cgroups, and systemd as its first process, with nothing started but the journal. Nothing of the real machine's is
# reached: /proc/sys and /sys are read-only, no device but the harmless ones is there, no unit of the machine's is started.
#
# Arguments: an empty folder, a folder that is seen as /share. Runs in namespaces that `unshare` made.
set -eu
tree=$1
share=$2

mount --make-rprivate /
mount -t tmpfs tmpfs "$tree"
mkdir "$tree/upper" "$tree/work" "$tree/root"
mount -t overlay -o "lowerdir=/,upperdir=$tree/upper,workdir=$tree/work" overlay "$tree/root"
cd "$tree/root"

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -o remount,bind,ro sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir share mnt/old 2>/dev/null || mkdir -p share mnt/old
mount --bind "$share" share

# Only what a test starts is started.
rm -rf etc/systemd/system usr/lib/systemd/system-generators usr/lib/systemd/system/*.wants
mkdir -p etc/systemd/system/sysinit.target.wants etc/systemd/system/sockets.target.wants
: > etc/fstab
ln -s /usr/lib/systemd/system/systemd-journald.service etc/systemd/system/sysinit.target.wants/
ln -s /usr/lib/systemd/system/systemd-journald.socket etc/systemd/system/sockets.target.wants/
ln -s /usr/lib/systemd/system/systemd-journald-dev-log.socket etc/systemd/system/sockets.target.wants/

hostname machine
ip link set lo up
pivot_root . mnt/old
umount -l /mnt/old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target --log-target=console --log-level=warning --show-status=false
