//! The shell around the heart: one owner, one loop, one thread. Whatever happens becomes one [`Event`]; `apply` hands it to the
//! heart, makes the state durable, and carries out what the heart orders. Only the edges wait.

mod build;
mod carry_out;
mod drilling;
mod health;
mod outside;
mod run;
mod serve;
mod witnessing;

pub use build::{BuildError, Built, build, units_of};
pub use drilling::{Rehearsed, RehearsedChannel};
pub use health::{Health, Limits};
pub use run::{RunError, run};

use crate::acting::Means;
use crate::asking::Asking;
use crate::client::{Connection, Endpoint, Tls};
use crate::disk::StateDir;
use crate::doors::{Asked, Reply};
use crate::heart::fault::Fault;
use crate::heart::order::{Shown, TargetIndex};
use crate::heart::peer::PeerState;
use crate::heart::{Heart, Input};
use crate::log::Log;
use crate::probe::Method;
use crate::systemd::Systemd;
use crate::witness::fetch::Compared;
use crate::witness::shown::ShownLog;
use crate::witness::store::Store;
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::sync::{mpsc, oneshot};

/// The most events that wait for the loop. Whoever has one more waits.
pub const EVENTS_MAX: usize = 1024;

/// Something that happened.
#[derive(Debug)]
enum Event {
    /// A fact for the heart.
    Fact(Input),
    /// A probe is over, and gives its connection back.
    Probed { target: TargetIndex, connection: Option<Connection>, input: Input },
    /// The other watchdog answered or did not.
    PeerAnswered { ticket: u64, answer: Result<PeerState, Fault> },
    /// A comparison of heads is over.
    Compared { target: TargetIndex, compared: Compared },
    /// A request on the watchdog's address.
    Asked { asked: Asked, reply: oneshot::Sender<Reply> },
    /// A request on its control socket.
    Commanded { asked: Asked, reply: oneshot::Sender<Reply> },
    /// What came of a notice: recorded, or why not.
    Told { key: String, change: crate::heart::notice::Change, result: Result<failstop_notify::Reported, String> },
    /// The outside dead man's switch was pinged, or why it did not take its ping.
    OutsidePinged(Result<(), String>),
}

/// What the shell knows of a target beyond the heart.
#[derive(Debug)]
struct Watched {
    name: String,
    method: Rc<Method>,
    connection: Option<Connection>,
    stream: Option<(Endpoint, Option<String>)>,
    means: Rc<Means>,
    engine: Option<Asking>,
    witness: Option<Witnessed>,
}

/// The witness of one target.
#[derive(Debug)]
struct Witnessed {
    store: Store,
    /// A comparison is under way.
    busy: bool,
    /// The latest head that was shown meanwhile.
    next: Option<Shown>,
    /// When the last comparison was made.
    compared_at: Option<crate::heart::time::Boot>,
    /// The last trouble with the lines, to say it once.
    trouble: Option<String>,
}

/// The shell.
struct App {
    name: String,
    environment: String,
    heart: Heart,
    state: StateDir,
    boot_id: String,
    log: Log,
    tls: Rc<Tls>,
    watched: Vec<Watched>,
    shown: ShownLog,
    checkin_tokens: BTreeMap<String, String>,
    references: Rc<Vec<(String, u16)>>,
    peer: Option<Endpoint>,
    outside: Option<String>,
    outside_trouble: outside::Trouble,
    alerts: failstop_notify::Handle,
    limits: Limits,
    systemd: Systemd,
    events: mpsc::Sender<Event>,
    /// Steps that are asked of others and not answered yet: at most one a target.
    asked: Vec<carry_out::AskedStep>,
    last: crate::clock::Reading,
    /// A notice that the notifier refused: all that are unrecorded are told again then.
    tell_again_at: Option<crate::heart::time::Boot>,
    save_trouble: Option<String>,
    /// Whether something changed that is saved with the next mark of life.
    unsaved: bool,
    /// The same for the heads that were shown.
    shown_trouble: Option<String>,
    meters: crate::doors::metrics::Meters,
}
