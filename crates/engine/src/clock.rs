//! The engine's clocks: the monotonic one that the core decides by, wall time for people, the timer that the loop sleeps
//! on, and the detector that tells a suspend or a step of wall time from time passing.
//!
//! `CLOCK_BOOTTIME` is the only clock of a decision: it counts suspend, so a lease that ran out while the machine slept
//! has run out.

use failstop_core::Monotonic;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Clock, clock_gettime};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Now, on the clock of every decision. The read costs tens of nanoseconds where the kernel has a time-stamp-counter
/// clock source, else one system call.
pub fn now() -> Monotonic {
    Monotonic::from_nanos(u64::try_from(nanos(Clock::CLOCK_BOOTTIME)).unwrap_or(0))
}

/// An instant that somebody else gives in microseconds of `CLOCK_MONOTONIC`, on the clock of every decision. The two differ
/// by the time that the machine slept, so an instant before the last suspend comes out later than it was.
pub fn of_monotonic(us: u64) -> Monotonic {
    let reading = Reading::take();
    let at = i128::from(us).saturating_mul(1_000) + (reading.boot - reading.monotonic);
    Monotonic::from_nanos(u64::try_from(at.min(reading.boot)).unwrap_or(0))
}

/// Wall time, for people and for records; never for a decision.
pub fn wall() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Wall time as signatures say it: Unix milliseconds.
pub fn wall_ms() -> u64 {
    u64::try_from(wall().as_millisecond()).unwrap_or(0)
}

/// Wall time as it is shown: RFC 3339 in UTC to the millisecond, `2026-11-03T09:14:07.123Z`.
pub fn rfc3339(at: jiff::Timestamp) -> String {
    format!("{at:.3}")
}

/// A clock that cannot be read gives 0, that is, the past: the core then sees time go backwards and halts.
fn nanos(clock: Clock) -> i128 {
    clock_gettime(clock).map_or(0, |t| i128::from(t.tv_sec()) * NANOS_PER_SECOND + i128::from(t.tv_nsec()))
}

/// The three clocks read as nearly at once as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// `CLOCK_BOOTTIME`, nanoseconds: counts suspend.
    pub boot: i128,
    /// `CLOCK_MONOTONIC`, nanoseconds: does not.
    pub monotonic: i128,
    /// `CLOCK_REALTIME`, nanoseconds since 1970: is stepped by people and by time services.
    pub real: i128,
}

impl Reading {
    /// Reads the clocks. A process that is stopped or preempted between two reads would see a jump where there is none,
    /// so the tightest of a few tries counts.
    pub fn take() -> Self {
        const TIGHT: i128 = 50_000;
        const TRIES: usize = 8;
        let mut best: Option<(i128, Self)> = None;
        for _ in 0..TRIES {
            let before = nanos(Clock::CLOCK_BOOTTIME);
            let monotonic = nanos(Clock::CLOCK_MONOTONIC);
            let real = nanos(Clock::CLOCK_REALTIME);
            let after = nanos(Clock::CLOCK_BOOTTIME);
            let width = after - before;
            let reading = Self { boot: before + width / 2, monotonic, real };
            if best.as_ref().is_none_or(|(narrowest, _)| width < *narrowest) {
                best = Some((width, reading));
            }
            if (0..=TIGHT).contains(&width) {
                break;
            }
        }
        best.map_or(Self { boot: 0, monotonic: 0, real: 0 }, |(_, reading)| reading)
    }
}

/// What happened to the clocks between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// The machine slept this long.
    Suspended(Duration),
    /// Wall time was set forward by this much.
    SteppedForward(Duration),
    /// Wall time was set back by this much.
    SteppedBack(Duration),
    /// The monotonic clock itself went back by this much: nothing that it says can be trusted.
    Backwards(Duration),
}

impl Jump {
    /// By how much.
    pub fn by(self) -> Duration {
        match self {
            Self::Suspended(by) | Self::SteppedForward(by) | Self::SteppedBack(by) | Self::Backwards(by) => by,
        }
    }
}

impl std::fmt::Display for Jump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.by().as_secs_f64();
        match self {
            Self::Suspended(_) => write!(f, "the machine slept for {seconds:.1} s"),
            Self::SteppedForward(_) => write!(f, "wall time was set forward by {seconds:.1} s"),
            Self::SteppedBack(_) => write!(f, "wall time was set back by {seconds:.1} s"),
            Self::Backwards(_) => write!(f, "the monotonic clock went back by {seconds:.3} s"),
        }
    }
}

/// Tells jumps from time passing. Pure: readings in, jumps out.
///
/// Slewing (at most 500 ppm in kernels' time services, 10 % by `adjtime`) stays below the tolerance as long as it is
/// fed at least every few seconds; each reading is compared with the last one only, so slow drift never adds up.
#[derive(Clone, Debug)]
pub struct JumpDetector {
    last: Reading,
}

impl JumpDetector {
    /// The least difference of `CLOCK_BOOTTIME` and `CLOCK_MONOTONIC` that is a suspend.
    pub const SUSPEND: Duration = Duration::from_millis(100);
    /// The least unexplained change of wall time that is a step. Time services step from 128 ms (ntpd) upwards.
    pub const STEP: Duration = Duration::from_millis(500);

    /// Starts from this reading.
    pub fn new(first: Reading) -> Self {
        Self { last: first }
    }

    /// What happened since the last reading. Of several jumps at once the gravest is told.
    pub fn feed(&mut self, reading: Reading) -> Option<Jump> {
        let last = std::mem::replace(&mut self.last, reading);
        let boot = reading.boot - last.boot;
        let monotonic = reading.monotonic - last.monotonic;
        let real = reading.real - last.real;
        if boot < 0 || monotonic < 0 {
            return Some(Jump::Backwards(span(boot.min(monotonic))));
        }
        let slept = boot - monotonic;
        if slept >= whole(Self::SUSPEND) {
            return Some(Jump::Suspended(span(slept)));
        }
        let step = real - boot;
        if step >= whole(Self::STEP) {
            return Some(Jump::SteppedForward(span(step)));
        }
        if step <= -whole(Self::STEP) {
            return Some(Jump::SteppedBack(span(step)));
        }
        None
    }
}

fn whole(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

fn span(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX))
}

/// A kernel timer on `CLOCK_BOOTTIME`, for the loop: precise to tens of microseconds where tokio's own timer has a
/// granularity of a millisecond, and right after a suspend.
#[derive(Debug)]
pub struct Timer {
    fd: AsyncFd<Armed>,
    armed: Option<Monotonic>,
}

/// What tokio registers.
#[derive(Debug)]
struct Armed(TimerFd);

impl AsRawFd for Armed {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    /// A disarmed timer. Needs a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// Those of `timerfd_create` (too many open files) and of the registration with the runtime.
    pub fn new() -> io::Result<Self> {
        let fd = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        // SAFETY: the registered value owns the timer's descriptor, always gives the same one, and never closes it early.
        let fd = unsafe { AsyncFd::register_with_interest(Armed(fd), Interest::READABLE) }?;
        Ok(Self { fd, armed: None })
    }

    /// Sleeps until `deadline`; at once when it is past, for ever when it is `None`. May be dropped at any await (in a
    /// `select`) and called again with the same or another deadline.
    ///
    /// # Errors
    /// Those of `timerfd_settime` and of the runtime; neither is expected, and the loop must end on one.
    pub async fn sleep_until(&mut self, deadline: Option<Monotonic>) -> io::Result<()> {
        let Some(deadline) = deadline else { return std::future::pending().await };
        loop {
            if now() >= deadline {
                return Ok(());
            }
            if self.armed != Some(deadline) {
                // An expiry of zero would disarm the timer; one nanosecond after boot is past just as well.
                let at = TimeSpec::from_duration(Duration::from_nanos(deadline.as_nanos().max(1)));
                self.fd.get_ref().0.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
                self.armed = Some(deadline);
            }
            let mut ready = self.fd.readable().await?;
            ready.clear_ready();
            // Readiness may stem from an earlier deadline: disarm the memory and look at the clock again.
            let mut expirations = [0_u8; 8];
            let fd = self.fd.get_ref().0.as_fd();
            match nix::unistd::read(fd, &mut expirations) {
                Ok(_) => self.armed = None,
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Wakes when wall time is set or the machine comes back from suspend, as the kernel tells it: no polling.
///
/// It only says that something happened; [`JumpDetector`] says what.
#[derive(Debug)]
pub struct ClockChanges {
    fd: AsyncFd<OwnedFd>,
}

impl ClockChanges {
    /// Starts watching. Needs a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// Those of `timerfd_create` and `timerfd_settime`, and of the registration with the runtime.
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        // nix's TimerFd does not give its descriptor up, so a second one to the same timer is kept.
        let fd = timer.as_fd().try_clone_to_owned()?;
        // SAFETY: an owned descriptor: it stays open and the same until it is dropped.
        let changes = Self { fd: unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }? };
        changes.arm()?;
        Ok(changes)
    }

    /// Waits for the next change. May be dropped at any await.
    ///
    /// # Errors
    /// Those of the timer and of the runtime; neither is expected.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut expirations = [0_u8; 8];
            match nix::unistd::read(self.fd.get_ref().as_fd(), &mut expirations) {
                Err(nix::errno::Errno::ECANCELED) => {
                    ready.clear_ready();
                    self.arm()?;
                    return Ok(());
                }
                Ok(_) => self.arm()?,
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            ready.clear_ready();
        }
    }

    /// The timer itself is set to the end of time; the kernel cancels it when wall time is set.
    fn arm(&self) -> io::Result<()> {
        const TFD_TIMER_CANCEL_ON_SET: libc::c_int = 1 << 1;
        let end = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec { tv_sec: i64::from(i32::MAX) * 4, tv_nsec: 0 },
        };
        // SAFETY: the descriptor is a timer of ours and `end` lives across the call; the old value is not asked for.
        let set = unsafe {
            libc::timerfd_settime(
                self.fd.get_ref().as_raw_fd(),
                libc::TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                &raw const end,
                std::ptr::null_mut(),
            )
        };
        // ECANCELED: the clock was set between creation and now. Armed it is all the same.
        if set == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::ECANCELED) {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    const SECOND: i128 = NANOS_PER_SECOND;

    fn reading(boot: i128, monotonic: i128, real: i128) -> Reading {
        Reading { boot, monotonic, real }
    }

    #[test]
    fn time_passing_is_no_jump() {
        let mut detector = JumpDetector::new(reading(0, 0, 1_000 * SECOND));
        for n in 1..100 {
            // slewed by 10 %, as adjtime may
            let real = 1_000 * SECOND + n * SECOND + n * SECOND / 10;
            assert_eq!(detector.feed(reading(n * SECOND, n * SECOND, real)), None);
        }
    }

    #[test]
    fn a_suspend_is_told_from_a_step() {
        let mut detector = JumpDetector::new(reading(0, 0, 0));
        let slept = detector.feed(reading(61 * SECOND, SECOND, 61 * SECOND));
        assert_eq!(slept, Some(Jump::Suspended(Duration::from_secs(60))));
        let forward = detector.feed(reading(62 * SECOND, 2 * SECOND, 72 * SECOND));
        assert_eq!(forward, Some(Jump::SteppedForward(Duration::from_secs(10))));
        let back = detector.feed(reading(63 * SECOND, 3 * SECOND, 63 * SECOND));
        assert_eq!(back, Some(Jump::SteppedBack(Duration::from_secs(10))));
        assert_eq!(detector.feed(reading(64 * SECOND, 4 * SECOND, 64 * SECOND)), None);
    }

    #[test]
    fn a_clock_that_goes_back_is_the_gravest() {
        let mut detector = JumpDetector::new(reading(10 * SECOND, 10 * SECOND, 10 * SECOND));
        let back = detector.feed(reading(9 * SECOND, 10 * SECOND, 90 * SECOND));
        assert_eq!(back, Some(Jump::Backwards(Duration::from_secs(1))));
        assert_eq!(back.unwrap().to_string(), "the monotonic clock went back by 1.000 s");
    }

    #[test]
    fn real_readings_agree_with_one_another() {
        let mut detector = JumpDetector::new(Reading::take());
        for _ in 0..1_000 {
            assert_eq!(detector.feed(Reading::take()), None);
        }
        assert!(rfc3339(wall()).ends_with('Z'));
    }

    fn on_runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bounded = async { tokio::time::timeout(Duration::from_secs(30), test).await };
        assert!(runtime.block_on(bounded).is_ok(), "a timer did not wake");
    }

    #[test]
    fn the_timer_never_wakes_early_and_takes_new_deadlines() {
        on_runtime(async {
            let mut timer = Timer::new().unwrap();
            timer.sleep_until(Some(Monotonic::from_nanos(0))).await.unwrap();
            for millis in [5, 1, 3] {
                let deadline = now().plus(Duration::from_millis(millis));
                timer.sleep_until(Some(deadline)).await.unwrap();
                assert!(now() >= deadline);
            }
            // A far deadline dropped in mid-sleep must not hold up a near one, nor a near one wake a far one.
            let far = now().plus(Duration::from_secs(3_600));
            let near = now().plus(Duration::from_millis(2));
            tokio::select! {
                biased;
                _ = timer.sleep_until(Some(far)) => panic!("an hour cannot have passed"),
                () = std::future::ready(()) => {}
            }
            timer.sleep_until(Some(near)).await.unwrap();
            assert!(now() >= near);
            tokio::select! {
                biased;
                _ = timer.sleep_until(Some(far)) => panic!("an hour cannot have passed"),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            tokio::select! {
                biased;
                _ = timer.sleep_until(None) => panic!("no deadline is for ever"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        });
    }

    #[test]
    fn the_clock_watch_is_silent_while_nobody_sets_the_clock() {
        on_runtime(async {
            let changes = ClockChanges::new().unwrap();
            tokio::select! {
                biased;
                _ = changes.changed() => panic!("nobody set the clock"),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        });
    }
}
