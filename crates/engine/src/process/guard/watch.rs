//! The guard's life: wait for a signal to hand on, a word from the engine, or the engine's end.

use crate::process::cgroup::{self, KillHandle};
use crate::process::credentials;
use crate::process::extinguish::{Extinguished, extinguish};
use crate::process::guard::ENGINE_DIED;
use crate::process::guard::link::{self, MESSAGE_MAX_BYTES, Message, Received};
use crate::process::guard::page::Page;
use crate::process::past_guard;
use crate::process::pidfd::PidFd;
use crate::process::reaper::{self, Reaped, Seen};
use crate::process::signals::{Signal, Signals};
use failstop_core::Exit;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long everything is tried to be ended before somebody is told that it does not work.
const SAID_AFTER: Duration = Duration::from_secs(2);

/// What the guard must end when the engine has ended.
#[derive(Debug, Default)]
struct Charge {
    page: Option<Page>,
    /// Where it could not be mapped when it was announced: tried again at the end.
    page_path: Option<PathBuf>,
    cgroup: Option<(PathBuf, KillHandle)>,
    /// The runtime directory, where the engine may have left credentials.
    runtime: Option<PathBuf>,
}

/// Stays until the engine is dead, its permit revoked and nothing is left below; says with what status to end.
pub(super) fn until_all_is_over(
    engine_pid: i32,
    engine: &PidFd,
    signals: &Signals,
    link: OwnedFd,
    notify_socket: Option<OsString>,
) -> ExitCode {
    let notify = notify_socket.and_then(|path| Relay::open(&path).ok());
    let mut charge = Charge::default();
    let mut buffer = [0; MESSAGE_MAX_BYTES];
    let mut link_ended = false;
    loop {
        let ended = wait(engine, signals, (!link_ended).then_some(&link));
        // Read before judging the end: the engine's last word may be the path of what must be revoked.
        link_ended |= listen(&link, &mut buffer, &mut charge, notify.as_ref());
        if ended {
            break;
        }
        while let Ok(Some(signal)) = signals.next() {
            match signal {
                Signal::Child => reap_strangers(engine_pid),
                // A failure means: gone in this very moment, and its end comes next.
                Signal::Hangup => drop(engine.signal(signal.number())),
                Signal::Terminate | Signal::Interrupt => {
                    let _ = engine.signal(signal.number());
                    // A stopped engine could not obey, and whoever asks it to end does not want it stopped.
                    let _ = engine.signal(libc::SIGCONT);
                }
            }
        }
    }
    end(engine_pid, &mut charge)
}

/// Takes the statuses of what came to the guard without being the engine's: as the first process of a container it is the parent of
/// whatever loses its own in there (what `docker exec` started, say). The engine's own is taken at the end of everything.
fn reap_strangers(engine_pid: i32) {
    while let Ok(Seen::Ended(ended)) = reaper::look()
        && ended.pid != engine_pid
    {
        reaper::take(ended);
    }
}

/// Waits for anything; whether the engine has ended.
fn wait(engine: &PidFd, signals: &Signals, link: Option<&OwnedFd>) -> bool {
    let watch = |fd: i32| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut watched = [
        watch(engine.as_fd().as_raw_fd()),
        watch(signals.as_raw_fd()),
        // A negative descriptor is passed over.
        watch(link.map_or(-1, AsRawFd::as_raw_fd)),
    ];
    // SAFETY: three valid entries.
    let ready = unsafe { libc::poll(watched.as_mut_ptr(), 3, -1) };
    // A failed poll (no memory) must not end the guard; the short look at the engine keeps it from spinning.
    if ready < 0 { engine.wait_end(10).unwrap_or(false) } else { watched[0].revents != 0 }
}

/// Takes in everything that the engine has said; whether the link has ended.
fn listen(link: &OwnedFd, buffer: &mut [u8; MESSAGE_MAX_BYTES], charge: &mut Charge, notify: Option<&Relay>) -> bool {
    loop {
        match link::receive(link, buffer) {
            Received::Message(Message::Permit(path)) => {
                let path = Path::new(OsStr::from_bytes(path));
                charge.page = Page::map(path).ok();
                charge.runtime = path.parent().map(Path::to_owned);
                charge.page_path = charge.page.is_none().then(|| path.to_owned());
            }
            Received::Message(Message::Cgroup(path)) => {
                let path = PathBuf::from(OsString::from_vec(path.to_vec()));
                charge.cgroup = KillHandle::open(&path).ok().map(|handle| (path, handle));
            }
            Received::Message(Message::Notify(state)) => {
                if let Some(notify) = notify {
                    notify.send(state);
                }
            }
            Received::Unknown => {}
            Received::Nothing => return false,
            Received::End => return true,
        }
    }
}

/// Closes the gate, then ends everything.
fn end(engine_pid: i32, charge: &mut Charge) -> ExitCode {
    if charge.page.is_none() {
        charge.page = charge.page_path.take().and_then(|path| Page::map(&path).ok());
    }
    if let Some(page) = &charge.page {
        page.revoke();
    }
    let mut engine_exit = None;
    let handle = charge.cgroup.as_ref().map(|(_, handle)| handle);
    let outcome = extinguish_all(handle, &mut |reaped| {
        if reaped.pid == engine_pid {
            engine_exit = Some(reaped.exit);
        }
    });
    if let Some((path, _)) = &charge.cgroup {
        // What cannot be removed is found and removed by the next start.
        let _ = cgroup::remove_ended(path);
    }
    if let Some(runtime) = &charge.runtime {
        // The engine's own: another one's start may have come since. What cannot be removed the next start removes.
        let _ = credentials::remove_all(&credentials::folder_of(runtime, engine_pid));
    }
    match engine_exit {
        Some(Exit::Status(status)) => ExitCode::from(u8::try_from(status & 0xff).unwrap_or(ENGINE_DIED)),
        Some(Exit::Signal(signal)) => {
            say(&format!(
                "failstop: the engine died by signal {signal}: the permit is revoked, every process is ended ({})",
                ended(&outcome)
            ));
            ExitCode::from(ENGINE_DIED)
        }
        Some(Exit::Unknown) | None => ExitCode::from(ENGINE_DIED),
    }
}

/// Says what is out of reach once it has been tried for a while, and goes on whatever becomes of that: while this guard lives, no new
/// start runs beside what it could not end.
fn extinguish_all(cgroup: Option<&KillHandle>, on_reaped: &mut dyn FnMut(Reaped)) -> io::Result<Extinguished> {
    let first = match extinguish(cgroup, Some(SAID_AFTER), on_reaped) {
        Ok(first) if first.left.is_empty() => return Ok(first),
        Ok(first) => first,
        // What is left could not be listed. Killing does without; a reaper that does not work says so again at once.
        Err(_) => Extinguished::default(),
    };
    let left = past_guard::living(first.left);
    if !left.is_empty() && takes_more(io::stderr().as_fd()) {
        say(&format!(
            "failstop: the engine died, and not everything that it started can be ended: {}; a process of another user, or one \
             that waits for a disk, is out of reach: end it (as root where it has to be); until then this guard tries again and a \
             new start is refused",
            past_guard::in_words(&left)
        ));
    }
    let rest = extinguish(cgroup, None, on_reaped)?;
    Ok(Extinguished { reaped: first.reaped + rest.reaped, sweeps: first.sweeps + rest.sweeps, left: rest.left })
}

/// Whether it can be written to without waiting: a pipe that nobody reads must not hold up the killing.
fn takes_more(fd: BorrowedFd<'_>) -> bool {
    let mut watched = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid entry.
    let ready = unsafe { libc::poll(&raw mut watched, 1, 0) };
    ready == 1 && watched.revents & libc::POLLOUT != 0
}

fn ended(outcome: &io::Result<Extinguished>) -> String {
    match outcome {
        // The engine is one of them.
        Ok(outcome) => match outcome.reaped.saturating_sub(1) {
            1 => "1 beside it".to_owned(),
            count => format!("{count} beside it"),
        },
        Err(error) => format!("but their status could not be taken: {error}"),
    }
}

/// To standard error, whoever reads it or not.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(io::stderr(), "{line}");
}

/// The service manager's notify socket.
struct Relay {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Relay {
    fn open(path: &OsStr) -> io::Result<Self> {
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(Path::new(path))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// A line that does not get through is lost: the next one says the same or more, and the guard must not wait.
    fn send(&self, state: &[u8]) {
        let _ = self.socket.send_to_addr(state, &self.address);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_pipe_that_nobody_reads_is_seen_to_take_nothing() {
        let (read, mut write) = io::pipe().unwrap();
        assert!(takes_more(write.as_fd()));
        while takes_more(write.as_fd()) {
            write.write_all(&[b'x'; 4096]).unwrap();
        }
        drop(read);
    }
}
