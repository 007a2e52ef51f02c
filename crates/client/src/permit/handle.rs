//! A bot's own permit: one slot of the page, followed through a replacement of the page where that is safe.

use super::host;
use super::page::{PermitError, PermitPage};
use super::verdict::{Denial, Intent, Verdict};
use std::path::{Path, PathBuf};

/// A denied check looks for a replaced page at most this often, in nanoseconds.
const LOOK_EVERY_NS: u64 = 20_000_000;

/// The permit of one slot. Ask it directly before each order; the answer is good for that order only.
///
/// A permit from [`Permit::from_env`] is bound to the start of the engine that spawned this process: a process that
/// outlives its engine never trades by a permit that a later start gave to its successor. One from [`Permit::open`]
/// follows every start, and is for those that only look, or that failstop does not supervise.
///
/// Each thread takes a clone of its own.
///
/// ```no_run
/// use failstop_client::permit::{Permit, Verdict};
///
/// let mut permit = Permit::from_env()?;
/// match permit.may_open() {
///     Verdict::Live => { /* send the order to the exchange */ }
///     Verdict::Paper => { /* fill it on paper */ }
///     Verdict::Denied(why) => eprintln!("order not sent: {why}"),
/// }
/// # Ok::<(), failstop_client::permit::PermitError>(())
/// ```
#[derive(Debug)]
pub struct Permit {
    path: PathBuf,
    slot: usize,
    bound_to: Option<u64>,
    page: std::sync::Arc<PermitPage>,
    superseded: bool,
    looked_ns: u64,
}

impl Clone for Permit {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), page: self.page.clone(), ..*self }
    }
}

impl Permit {
    /// This component's permit, from `FAILSTOP_PERMIT`, `FAILSTOP_PERMIT_SLOT` and `FAILSTOP_EPOCH`.
    ///
    /// # Errors
    /// When this process is no component of `failstop run`, or the page cannot be used or is of another epoch.
    pub fn from_env() -> Result<Self, PermitError> {
        let path = variable("FAILSTOP_PERMIT")?;
        let slot = number("FAILSTOP_PERMIT_SLOT", "a slot's number, 0 to 31")?;
        let epoch = number("FAILSTOP_EPOCH", "an epoch's number")?;
        let slot = usize::try_from(slot).map_err(|_| PermitError::NoSuchSlot(usize::MAX))?;
        Self::open_bound(Path::new(&path), slot, Some(epoch))
    }

    /// The permit of `slot` (0 is the system's) on the page at `path`, whatever start of the engine it is of.
    ///
    /// # Errors
    /// When the page cannot be used, or has no such slot.
    pub fn open(path: &Path, slot: usize) -> Result<Self, PermitError> {
        Self::open_bound(path, slot, None)
    }

    /// The permit of `slot` on the page at `path`, bound to one start of the engine where `epoch` names it.
    ///
    /// # Errors
    /// When the page cannot be used, has no such slot or is of another epoch.
    pub fn open_bound(path: &Path, slot: usize, epoch: Option<u64>) -> Result<Self, PermitError> {
        if slot >= super::layout::SLOTS {
            return Err(PermitError::NoSuchSlot(slot));
        }
        let page = PermitPage::open(path)?;
        match epoch {
            Some(expected) if expected != page.epoch() => {
                Err(PermitError::OtherEpoch { path: path.to_owned(), found: page.epoch(), expected })
            }
            _ => Ok(Self {
                path: path.to_owned(),
                slot,
                bound_to: epoch,
                page: std::sync::Arc::new(page),
                superseded: false,
                looked_ns: 0,
            }),
        }
    }

    /// Whether an order that opens or enlarges a position may go out now.
    #[inline]
    pub fn may_open(&mut self) -> Verdict {
        self.check(Intent::Open)
    }

    /// Whether an order that shrinks a position may go out now.
    #[inline]
    pub fn may_reduce(&mut self) -> Verdict {
        self.check(Intent::Reduce)
    }

    /// Whether an order with this intent may go out now.
    #[inline]
    pub fn check(&mut self, intent: Intent) -> Verdict {
        match self.page.check(self.slot, intent) {
            Verdict::Denied(denial) => self.denied(denial, intent),
            allowed => allowed,
        }
    }

    /// Looks at once whether the page was replaced, and takes the new one if it was. Returns whether it did.
    ///
    /// # Errors
    /// When there is a new page that cannot be used. The permit denies then, since the old page's leases run out.
    pub fn refresh(&mut self) -> Result<bool, PermitError> {
        if !self.page.is_replaced(&self.path) {
            return Ok(false);
        }
        let page = PermitPage::open(&self.path)?;
        if let Some(expected) = self.bound_to
            && page.epoch() != expected
        {
            // Epochs only rise: this process's own will not come back.
            self.superseded = true;
            return Err(PermitError::OtherEpoch { path: self.path.clone(), found: page.epoch(), expected });
        }
        self.page = std::sync::Arc::new(page);
        Ok(true)
    }

    /// The page that this permit reads at present.
    pub fn page(&self) -> &PermitPage {
        &self.page
    }

    /// The slot's number.
    pub fn slot(&self) -> usize {
        self.slot
    }

    #[cold]
    fn denied(&mut self, denial: Denial, intent: Intent) -> Verdict {
        match denial {
            // A running engine said no.
            Denial::Halted | Denial::ReduceOnly | Denial::NoSuchSlot | Denial::NoClock => {
                return Verdict::Denied(denial);
            }
            // The page may be an old one.
            Denial::NotGranted | Denial::Revoked | Denial::Expired | Denial::OtherEpoch | Denial::Unreadable => {}
        }
        if self.superseded {
            return Verdict::Denied(Denial::OtherEpoch);
        }
        let Some(now_ns) = host::boottime_ns() else { return Verdict::Denied(Denial::NoClock) };
        if now_ns.saturating_sub(self.looked_ns) < LOOK_EVERY_NS {
            return Verdict::Denied(denial);
        }
        self.looked_ns = now_ns;
        match self.refresh() {
            Ok(true) => self.page.check(self.slot, intent),
            Err(PermitError::OtherEpoch { .. }) => Verdict::Denied(Denial::OtherEpoch),
            Ok(false) | Err(_) => Verdict::Denied(denial),
        }
    }
}

fn variable(variable: &'static str) -> Result<std::ffi::OsString, PermitError> {
    match std::env::var_os(variable) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(PermitError::NotUnderFailstop { variable }),
    }
}

fn number(name: &'static str, expected: &'static str) -> Result<u64, PermitError> {
    let value = variable(name)?;
    value.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| PermitError::BadVariable {
        variable: name,
        value: value.to_string_lossy().into_owned(),
        expected,
    })
}
