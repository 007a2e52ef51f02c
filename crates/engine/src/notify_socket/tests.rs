#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

struct Rig {
    dir: tempfile::TempDir,
    sockets: NotifySockets,
}

fn slot(index: usize) -> Slot {
    Slot::component(index).unwrap()
}

impl Rig {
    fn new(components: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = Self { dir, sockets: NotifySockets::new() };
        for index in 0..components {
            let path = rig.path(index);
            let uid = nix::unistd::geteuid().as_raw();
            rig.sockets.add(slot(index), &Address::Path(path), uid, 0o600, Access::All).unwrap();
            rig.sockets.starts().begin(slot(index), Instance(1));
        }
        rig
    }

    fn path(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("notify-{index}.sock"))
    }

    fn sender(&self, index: usize) -> UnixDatagram {
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(self.path(index)).unwrap();
        sender
    }

    async fn received(&mut self) -> Received {
        tokio::time::timeout(Duration::from_secs(30), self.sockets.next()).await.unwrap().unwrap()
    }

    async fn notice(&mut self) -> Notice {
        match self.received().await {
            Received::Notice(notice) => notice,
            Received::Refused { refusal, .. } => panic!("{refusal}"),
        }
    }

    async fn silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(10), self.sockets.next()).await.is_err()
    }
}

fn on_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Sends a datagram with descriptors, as `systemd-notify` does for its barrier.
fn send_with(sender: &UnixDatagram, text: &[u8], descriptors: &[RawFd]) {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let parts = [io::IoSlice::new(text)];
    let control = [ControlMessage::ScmRights(descriptors)];
    sendmsg::<()>(sender.as_raw_fd(), &parts, &control, MsgFlags::empty(), None).unwrap();
}

/// How many descriptors of this process refer to the same thing as this one. Other tests run beside this one, so that the
/// number of all would say nothing.
fn copies_of(descriptor: RawFd) -> usize {
    let target = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap();
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    entries.filter(|entry| std::fs::read_link(entry.as_ref().unwrap().path()).is_ok_and(|to| to == target)).count()
}

#[test]
fn the_socket_is_the_identity() {
    on_runtime(async {
        let mut rig = Rig::new(3);
        rig.sender(2).send(b"READY=1\n").unwrap();
        let notice = rig.notice().await;
        assert_eq!((notice.slot, notice.instance), (slot(2), Instance(1)));
        assert_eq!(notice.notifications, [Notification::Ready]);
        assert_eq!(notice.pid, i32::try_from(std::process::id()).unwrap());
        assert_eq!(notice.uid, nix::unistd::geteuid().as_raw());
        assert!(rig.silent().await);
    });
}

#[test]
fn a_talkative_component_does_not_silence_the_others() {
    on_runtime(async {
        let mut rig = Rig::new(2);
        let (loud, quiet) = (rig.sender(0), rig.sender(1));
        loud.set_nonblocking(true).unwrap();
        let mut pending = 0;
        while loud.send(b"WATCHDOG=1").is_ok() {
            pending += 1;
        }
        assert!(pending > 1, "the kernel bounds the queue, at {pending}");
        quiet.send(b"READY=1").unwrap();
        let both = [rig.notice().await.slot, rig.notice().await.slot];
        assert!(both.contains(&slot(1)), "{both:?}");
    });
}

#[test]
fn a_barrier_is_answered_when_the_notice_is_dropped() {
    on_runtime(async {
        let mut rig = Rig::new(1);
        let (mut waits, passed) = io::pipe().unwrap();
        send_with(&rig.sender(0), b"BARRIER=1", &[passed.as_raw_fd()]);
        drop(passed);
        let notice = rig.notice().await;
        assert_eq!((notice.notifications.as_slice(), notice.descriptors.len()), (&[Notification::Barrier][..], 1));
        let mut waiting = [nix::poll::PollFd::new(waits.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut waiting, nix::poll::PollTimeout::ZERO), Ok(0), "still held");
        drop(notice);
        let mut end = [0; 1];
        assert_eq!(io::Read::read(&mut waits, &mut end).unwrap(), 0, "closed: the acknowledgement");
    });
}

#[test]
fn descriptors_are_closed_whatever_they_came_with() {
    on_runtime(async {
        let mut rig = Rig::new(1);
        let sender = rig.sender(0);
        let (_reads, writes) = io::pipe().unwrap();
        let before = copies_of(writes.as_raw_fd());
        let many = vec![writes.as_raw_fd(); MAX_DESCRIPTORS];
        let too_long = vec![b'x'; MAX_DATAGRAM + 1];
        for text in [&b"FDSTORE=1\nFDNAME=x"[..], b"READY=1", b"nonsense", &too_long, b"BARRIER=1"] {
            send_with(&sender, text, &many);
            let received = rig.received().await;
            if let Received::Notice(notice) = &received {
                assert_eq!(notice.descriptors.len(), MAX_DESCRIPTORS);
            }
            drop(received);
        }
        assert_eq!(copies_of(writes.as_raw_fd()), before);
    });
}

#[test]
fn what_is_too_long_is_refused_whole() {
    on_runtime(async {
        let mut rig = Rig::new(1);
        let mut long = b"READY=1\n".to_vec();
        long.resize(MAX_DATAGRAM + 1, b'\n');
        rig.sender(0).send(&long).unwrap();
        assert!(matches!(rig.received().await, Received::Refused { refusal: Refusal::TooLong { .. }, .. }));
        rig.sender(0).send(&long[..MAX_DATAGRAM]).unwrap();
        assert_eq!(rig.notice().await.notifications, [Notification::Ready]);
    });
}

#[test]
fn another_user_is_refused() {
    on_runtime(async {
        let mut rig = Rig::new(0);
        let path = rig.path(0);
        // Seen from an engine and a component of other users, this process is the stranger; root never is one.
        let us = nix::unistd::geteuid().as_raw();
        rig.sockets.own_uid = us + 1;
        rig.sockets.add(slot(0), &Address::Path(path.clone()), us + 1, 0o600, Access::All).unwrap();
        let sender = rig.sender(0);
        sender.send(b"READY=1").unwrap();
        match rig.received().await {
            Received::Notice(notice) => assert_eq!((us, notice.uid), (0, 0)),
            Received::Refused { refusal: Refusal::ForeignUser { uid, .. }, .. } => assert_eq!(uid, us),
            Received::Refused { refusal, .. } => panic!("{refusal}"),
        }
        if us == 0 {
            // As root the sender can be made a stranger in earnest.
            std::fs::set_permissions(rig.dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
            let script =
                format!("import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', {path:?})");
            let mut child = Command::new("setpriv")
                .args(["--reuid=65534", "--clear-groups", "/usr/bin/env", "python3", "-I", "-S", "-c", &script])
                .env("PATH", "/usr/bin:/bin")
                .stdin(Stdio::null())
                .spawn();
            let Ok(child) = &mut child else { return };
            if child.wait().unwrap().success() {
                let received = rig.received().await;
                assert!(
                    matches!(received, Received::Refused { refusal: Refusal::ForeignUser { uid: 65534, .. }, .. }),
                    "{received:?}"
                );
            }
        }
    });
}

#[test]
fn a_dead_process_never_speaks_for_its_successor() {
    on_runtime(async {
        let mut rig = Rig::new(1);
        for _ in 0..3 {
            rig.sender(0).send(b"READY=1").unwrap();
        }
        rig.sockets.starts().begin(slot(0), Instance(2));
        assert!(rig.silent().await, "the first instance's word is thrown away");
        rig.sender(0).send(b"WATCHDOG=1").unwrap();
        assert_eq!(rig.notice().await.instance, Instance(2));
    });
}

#[test]
fn systemd_notify_is_understood_and_does_not_wait_in_vain() {
    let found = Command::new("systemd-notify").arg("--version").stdout(Stdio::null()).status();
    if found.is_err() {
        return;
    }
    on_runtime(async {
        let mut rig = Rig::new(1);
        let path = rig.path(0);
        let caller = std::thread::spawn(move || {
            Command::new("systemd-notify").args(["--ready", "--status=going"]).env("NOTIFY_SOCKET", path).status()
        });
        let first = rig.notice().await;
        assert!(first.notifications.contains(&Notification::Ready), "{first:?}");
        assert!(first.notifications.contains(&Notification::Status("going".to_owned())), "{first:?}");
        drop(first);
        let barrier = rig.notice().await;
        assert_eq!(barrier.notifications, [Notification::Barrier]);
        drop(barrier);
        assert!(caller.join().unwrap().unwrap().success());
    });
}

#[test]
fn what_waits_is_taken_at_once_when_a_component_ends() {
    on_runtime(async {
        let mut rig = Rig::new(2);
        let starts = rig.sockets.starts();
        rig.sender(0).send(b"ERRNO=2").unwrap();
        rig.sender(0).send(b"EXIT_STATUS=3").unwrap();
        rig.sender(1).send(b"READY=1").unwrap();
        let words: Vec<Notification> = starts
            .take_waiting(slot(0))
            .into_iter()
            .flat_map(|received| match received {
                Received::Notice(notice) => notice.notifications,
                Received::Refused { refusal, .. } => panic!("{refusal}"),
            })
            .collect();
        assert_eq!(words, [Notification::Errno(2), Notification::ExitStatus(3)]);
        assert_eq!(rig.notice().await.slot, slot(1), "and nobody else's");
        assert!(rig.silent().await);
    });
}

#[test]
fn an_abstract_socket_is_as_good_as_a_file() {
    on_runtime(async {
        let mut rig = Rig::new(0);
        let name = format!("failstop-test-{}", std::process::id());
        let address = Address::Abstract(name.clone());
        rig.sockets.add(slot(0), &address, nix::unistd::geteuid().as_raw(), 0o600, Access::All).unwrap();
        assert_eq!(address.as_variable(), format!("@{name}").as_str());
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to_addr(b"READY=1", &SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        assert_eq!(rig.notice().await.notifications, [Notification::Ready]);
    });
}

#[test]
fn who_may_speak_is_only_tightened_and_begins_anew_with_each_start() {
    on_runtime(async {
        let mut rig = Rig::new(1);
        let starts = rig.sockets.starts();
        assert!(!starts.tighten(slot(0), Instance(0), Access::Main), "a start that is over");
        assert!(starts.tighten(slot(0), Instance(1), Access::Main));
        assert!(!starts.tighten(slot(0), Instance(1), Access::All));
        rig.sender(0).send(b"READY=1").unwrap();
        assert_eq!(rig.notice().await.access, Access::Main);
        starts.begin(slot(0), Instance(2));
        rig.sender(0).send(b"READY=1").unwrap();
        assert_eq!(rig.notice().await.access, Access::All);
    });
}

#[test]
fn the_paths_go_with_the_engine() {
    on_runtime(async {
        let rig = Rig::new(1);
        let path = rig.path(0);
        assert!(path.exists());
        let Rig { dir, sockets } = rig;
        drop(sockets);
        assert!(!path.exists());
        drop(dir);
    });
}

#[test]
fn the_socket_of_another_users_component_is_theirs_alone() {
    on_runtime(async {
        let mut rig = Rig::new(0);
        let path = rig.path(0);
        if nix::unistd::geteuid().as_raw() != 0 {
            // Only root has components of other users.
            return;
        }
        rig.sockets.add(slot(0), &Address::Path(path.clone()), 1, 0o666, Access::All).unwrap();
        std::fs::set_permissions(rig.dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let send = |uid: u32| {
            let script =
                format!("import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', {path:?})");
            let mut child = Command::new("setpriv");
            child.arg(format!("--reuid={uid}"));
            child.args(["--clear-groups", "/usr/bin/env", "python3", "-I", "-S", "-c", &script]);
            child.env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stderr(Stdio::null());
            child.status().unwrap().success()
        };
        assert!(!send(65534), "a stranger reaches the queue");
        assert!(send(1));
        assert!(matches!(rig.received().await, Received::Notice(notice) if notice.uid == 1));
    });
}
