//! `failstop kill-switch`: engage it in whatever state the engine and the configuration are, release it through a
//! running engine, or say what it is.

use super::resume::{self, after};
use super::{emergency, engaging};
use crate::args::{Format, KillSwitchAction, PlaceArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::render::style::Tone;
use failstop_client::status::Status;
use failstop_engine::kill_switch::{Engagement, LATCH_FILE, Latch, LatchError, read_latch};
use failstop_engine::printable::printable;
use failstop_engine::process::holder::{self, Held};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The cause of the kill switch's halt, as the status names it.
pub(super) const CAUSE: &str = "kill-switch";

/// Within so long of each other two engagements for the same reason are one that came by two ways.
const ONE_ENGAGEMENT: Duration = Duration::from_secs(5);

/// Does what is asked.
pub fn kill_switch(action: KillSwitchAction) -> Result<Exit, Failure> {
    match action {
        KillSwitchAction::Engage { reason, place } if place.remote.url.is_some() => {
            engaging::engage_afar(reason, &place)
        }
        KillSwitchAction::Status { place, format } if place.remote.url.is_some() => status_afar(&place, format),
        KillSwitchAction::Engage { reason, place } => engaging::engage(&reason, &place),
        KillSwitchAction::Release { reason, confirm, place } => release(reason, confirm, &place),
        KillSwitchAction::Drill { place } => emergency::drill(&place),
        KillSwitchAction::Status { place, format } => status(&place, format),
    }
}

/// What the engine of another host's system says of it.
fn status_afar(args: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let status = Engine::by(args)?.status()?;
    let halt = status.halts.iter().find(|halt| halt.cause == CAUSE);
    let told = emergency::Told::by(&status);
    let text = match format {
        Format::Text => match (status.kill_switch, halt) {
            (false, _) => format!("kill switch of system {}: off\n", printable(&status.system)),
            (true, halt) => {
                let since = halt.map(|halt| format!(" since {}: {}", halt.since, halt.evidence)).unwrap_or_default();
                let system = printable(&status.system);
                let next = format!("next: failstop kill-switch release --reason \"...\" --confirm {system}");
                format!("kill switch of system {system}: {}{}\n{next}\n", Tone::Bad.paint("engaged"), printable(&since))
            }
        },
        Format::Json => {
            let (reason, time) = (halt.map(|halt| &halt.evidence), halt.map(|halt| &halt.since));
            let (by, again, error) = (None::<String>, [(); 0], status.kill_switch_unlatched.as_ref());
            let engaged = status.kill_switch;
            let object = json!({
                "engaged": engaged, "engine": engaged, "by": by, "reason": reason, "time": time, "again": again, "error": error,
                "emergency": told.json(),
            });
            format!("{object}\n")
        }
    };
    let text = match format {
        Format::Text => text + &told.text(),
        Format::Json => text,
    };
    out::print_last(&text)?;
    Ok(if status.kill_switch { Exit::No } else { Exit::Good })
}

fn release(reason: String, confirm: String, args: &PlaceArgs) -> Result<Exit, Failure> {
    let engine = Engine::by(args).map_err(without_configuration)?;
    resume::saying_why_it_takes(|| engine.release_kill_switch(reason, confirm))?;
    out::print_last(&after("kill switch released", &engine))?;
    Ok(Exit::Good)
}

/// What can be said of it.
enum Known {
    /// By the latch.
    Latched,
    /// By the engine's word, while no latch is seen.
    ByEngine(Box<Status>),
    /// It is off: by the disk and, where one runs, by the engine.
    Off(Option<Box<Status>>),
    /// Neither tells, and why.
    Not(String),
}

impl Known {
    /// Whether it is engaged; `None` where that is not known.
    fn engaged(&self) -> Option<bool> {
        match self {
            Self::Latched | Self::ByEngine(_) => Some(true),
            Self::Off(_) => Some(false),
            Self::Not(_) => None,
        }
    }

    /// What the engine says, where it was asked and answered.
    fn by_engine(&self) -> Option<&Status> {
        match self {
            Self::ByEngine(status) | Self::Off(Some(status)) => Some(status),
            Self::Latched | Self::Off(None) | Self::Not(_) => None,
        }
    }
}

/// The latch alone says that it is engaged; that it is not, or where it cannot be read, an engine that runs says as well: it may
/// have been stopped without a latch.
fn known(place: &Place, state: &Path, latch: &Latch) -> Known {
    let (readable, why) = match latch {
        Latch::Engaged { .. } | Latch::Unreadable(LatchError::Malformed { .. }) => return Known::Latched,
        // It is there, whatever is wrong with it.
        Latch::Unreadable(_) if state.join(LATCH_FILE).symlink_metadata().is_ok() => return Known::Latched,
        Latch::Unreadable(LatchError::Read { path, source }) => {
            (false, format!("the latch {} cannot be read ({source})", path.display()))
        }
        Latch::Unreadable(error) => (false, error.to_string()),
        Latch::Clear => (true, "there is no latch on the disk".to_owned()),
    };
    match Engine::of(place).and_then(|engine| engine.status()) {
        Ok(status) if status.kill_switch => Known::ByEngine(Box::new(status)),
        Ok(status) => Known::Off(Some(Box::new(status))),
        // Without an engine the latch is all there is.
        Err(_) if readable && matches!(holder::ask(state), Held::Free) => Known::Off(None),
        Err(Failure::Refused { reasons }) => {
            Known::Not(format!("{why}, and the engine refuses to say: {}", reasons.join("; ")))
        }
        Err(failure) => Known::Not(format!("{why}, and the engine does not say: {failure}")),
    }
}

/// In an emergency, and in the wrong folder: what finds the system without a configuration.
pub(super) fn without_configuration(failure: Failure) -> Failure {
    match failure {
        Failure::NoConfig { path, source } => Failure::Usage {
            what: format!("no configuration at {}: {source}", path.display()),
            next: "name it with --config FILE, or the system by its directories with --state DIR and --runtime DIR; under the units of the \
                   package these are /etc/failstop/NAME.toml, /var/lib/failstop/NAME and /run/failstop/NAME"
                .to_owned(),
        },
        other => other,
    }
}

/// As the disk and the engine tell it.
fn status(args: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let place = Place::find(args).map_err(without_configuration)?;
    let state = place.state_dir()?;
    let latch = read_latch(state);
    let known = known(&place, state, &latch);
    let halt = known.by_engine().and_then(|status| status.halts.iter().find(|halt| halt.cause == CAUSE));
    let text = match format {
        Format::Text => {
            let told = match &known {
                // What this user may not read of the disk, the engine says.
                Known::ByEngine(status) | Known::Off(Some(status)) if matches!(latch, Latch::Unreadable(_)) => {
                    emergency::Told::by(status).text()
                }
                Known::Not(_) => String::new(),
                Known::Latched | Known::ByEngine(_) | Known::Off(_) => emergency::Runs::read(state, &latch).text(),
            };
            in_words(&place, state, &latch, &known) + &told
        }
        Format::Json => {
            let (first, again, error) = match (&latch, &known) {
                (_, Known::Not(why)) => (None, [].as_slice(), Some(why.clone())),
                (Latch::Engaged { first, again }, _) => (Some(first), again.as_slice(), None),
                (Latch::Unreadable(error), _) => (None, [].as_slice(), Some(error.to_string())),
                (Latch::Clear, Known::ByEngine(status)) => (None, [].as_slice(), status.kill_switch_unlatched.clone()),
                (Latch::Clear, _) => (None, [].as_slice(), None),
            };
            let again: Vec<_> =
                again.iter().map(|e| json!({ "by": e.by, "reason": e.reason, "time": e.time })).collect();
            let object = json!({
                "engaged": known.engaged(),
                "by": first.map(|e| &e.by),
                "reason": first.map(|e| &e.reason).or(halt.map(|halt| &halt.evidence)),
                "time": first.map(|e| &e.time).or(halt.map(|halt| &halt.since)),
                "again": again,
                "error": error,
                "engine": known.by_engine().map(|status| status.kill_switch),
                "emergency": emergency::Runs::read(state, &latch).json(),
            });
            format!("{object}\n")
        }
    };
    out::print_last(&text)?;
    Ok(match known.engaged() {
        Some(true) => Exit::No,
        Some(false) => Exit::Good,
        None => Exit::Unknown,
    })
}

/// The engine and the command that gave it the order at the same time both write it down.
fn is_the_same(first: &Engagement, later: &Engagement) -> bool {
    let at = |engagement: &Engagement| engagement.time.parse::<jiff::Timestamp>().ok();
    let between = at(first).zip(at(later)).map(|(first, later)| later.duration_since(first).unsigned_abs());
    first.reason == later.reason && between.is_some_and(|between| between < ONE_ENGAGEMENT)
}

fn in_words(place: &Place, state: &Path, latch: &Latch, known: &Known) -> String {
    let system = place.describe();
    let engaged = Tone::Bad.paint("engaged");
    let release = format!(
        "next: failstop kill-switch release --reason \"...\" --confirm {}\n",
        place.name.as_deref().unwrap_or("NAME-OF-SYSTEM")
    );
    match (known, latch) {
        (Known::Off(_), _) => format!("kill switch of {system}: off\n"),
        (Known::Not(why), _) => {
            let next = match holder::ask(state) {
                Held::Closed(closed) => closed.next(),
                Held::Free | Held::By { .. } | Held::Unseen { .. } | Held::Unknown(_) => {
                    "look again as root, or once its engine answers; until then take it to be engaged".to_owned()
                }
            };
            format!("kill switch of {system}: not known: {}\nnext: {}\n", printable(why), printable(&next))
        }
        (Known::ByEngine(status), _) => {
            let halt = status.halts.iter().find(|halt| halt.cause == CAUSE);
            let since = halt.map(|halt| format!(" since {}: {}", halt.since, halt.evidence)).unwrap_or_default();
            let mut text = format!("kill switch of {system}: {engaged}{}\n", printable(&since));
            match (&status.kill_switch_unlatched, latch) {
                (Some(why), _) => {
                    text.push_str(&format!(
                        "latch      not on the disk, the journal alone remembers it: {}\n",
                        printable(why)
                    ));
                }
                (None, Latch::Unreadable(_)) => {
                    text.push_str("latch      not for this user to read; the engine says so\n")
                }
                (None, Latch::Clear | Latch::Engaged { .. }) => {}
            }
            text + &release
        }
        (Known::Latched, Latch::Engaged { first, again }) => {
            let mut text = format!(
                "kill switch of {system}: {engaged} since {} by {}: {}\n",
                printable(&first.time),
                printable(&first.by),
                printable(&first.reason)
            );
            for later in again.iter().filter(|later| !is_the_same(first, later)) {
                text.push_str(&format!(
                    "again      {} by {}: {}\n",
                    printable(&later.time),
                    printable(&later.by),
                    printable(&later.reason)
                ));
            }
            text + &release
        }
        (Known::Latched, Latch::Unreadable(error)) => format!("kill switch of {system}: {engaged}: {error}\n"),
        (Known::Latched, Latch::Clear) => format!("kill switch of {system}: {engaged}\n"),
    }
}
