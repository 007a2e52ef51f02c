//! `failstop snapshot`: taking one, listing them, showing one.

use crate::args::Format;
use crate::args::capital::SnapshotAction;
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::place::Place;
use crate::render::snapshot as words;
use failstop_engine::books::{SnapshotFile, SnapshotsUnreadable, snapshot_files, snapshot_of};
use std::path::Path;

/// Does what is asked.
pub fn snapshot(action: SnapshotAction) -> Result<Exit, Failure> {
    match action {
        SnapshotAction::Take { reason, place, format } => {
            let taken = Engine::by(&place)?.take_snapshot(reason.unwrap_or_default())?;
            out::print_last(&match format {
                Format::Text => {
                    format!("snapshot {} taken at record {}, sha256 {}\n", taken.file, taken.seq, taken.sha256)
                }
                Format::Json => out::json_line(&taken)?,
            })?;
            Ok(Exit::Good)
        }
        SnapshotAction::List { place, format } => {
            let place = Place::of(&place)?;
            let state = place.state_dir()?;
            let files = snapshot_files(state).map_err(|error| unreadable(state, error))?;
            // What is wrong with one of them is shown, and is the answer.
            let sound = files.iter().all(SnapshotFile::is_sound);
            out::print_last(&match format {
                Format::Text => words::list(&files),
                Format::Json => out::json_line(&serde_json::json!({ "snapshots": files }))?,
            })?;
            Ok(if sound { Exit::Good } else { Exit::No })
        }
        SnapshotAction::Show { snapshot, place, format } => {
            let place = Place::of(&place)?;
            let state = place.state_dir()?;
            let shown = snapshot_of(state, snapshot.as_deref()).map_err(|error| unreadable(state, error))?;
            out::print_last(&match format {
                Format::Text => words::show(&shown),
                Format::Json => String::from_utf8_lossy(shown.bytes()).into_owned(),
            })?;
            Ok(Exit::Good)
        }
    }
}

fn unreadable(state: &Path, error: SnapshotsUnreadable) -> Failure {
    match error {
        SnapshotsUnreadable::NoSuch { asked, known } => Failure::Usage {
            what: match asked {
                Some(asked) => format!("there is no snapshot {asked} in {}", state.join("snapshots").display()),
                None => format!("there is no snapshot in {}", state.join("snapshots").display()),
            },
            next: match known {
                Some(known) => format!("see `failstop snapshot list`; the last is {known}"),
                None => "take one with `failstop snapshot take`".to_owned(),
            },
        },
        SnapshotsUnreadable::Disk(source) => {
            Failure::Unreadable { path: state.join("snapshots"), source, next: "run it as failstop's user or as root" }
        }
        SnapshotsUnreadable::Damaged(what) => Failure::Refused {
            reasons: vec![format!("{what}; it is never made again: see docs/runbooks/integrity.md")],
        },
    }
}
