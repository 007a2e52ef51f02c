//! Writes the journal that follows a retired one: sealed, durable, and with everything in it that keeps the system from trading.

use super::Retirement;
use crate::app::WRITER;
use crate::process::procfs;
use failstop_core::{Cause, ComponentName, Halt, Permission, Record, Scope};
use failstop_journal::{Disk, Importance, Journal, JournalError, OpenError, Settings, Wall, recover};
use serde_json::json;
use std::io;
use std::path::Path;

/// The record that names the retired journal.
pub const JOURNAL_RETIRED: &str = "x.failstop.journal_retired";

/// So much of the reason stands in the halt.
const SAID_MAX_BYTES: usize = 300;

/// Writes it below `folder`, and its id into `plan`.
pub(super) fn write(folder: &Path, plan: &mut Retirement, now: Wall) -> Result<(), OpenError> {
    let boot = procfs::boot_id().unwrap_or_default();
    // The reserve is the state directory's, and made by the next start.
    let settings = Settings { ballast_bytes: 0, ..Settings::new(plan.system.clone(), boot, WRITER) };
    let recovered = recover(Disk::new(folder), settings, None)?;
    plan.jid = recovered.jid().to_string();
    let mut journal = recovered.start(plan.epoch, now)?;
    let old = &plan.old;
    let named = json!({
        "jid": old.jid,
        "seq": old.head.map(|head| head.seq),
        "head": old.head.map(|head| head.hash.to_string()),
        "records": old.records,
        "unread": old.unread.places,
        "more_unread": old.unread.more,
        "orders": old.orders,
        "more_orders": old.more_orders,
        "folder": format!("{}/{}", super::RETIRED_DIR, plan.folder),
        "by": plan.by,
        "reason": plan.reason,
    });
    journal.stage(now, JOURNAL_RETIRED, &named.to_string(), Importance::Ordinary)?;
    for halt in &old.halts {
        stage(&mut journal, now, &Record::HaltRaised(halt.clone()))?;
    }
    stage(&mut journal, now, &Record::HaltRaised(new_journal(plan)))?;
    for (component, (by, reason)) in &old.held {
        let component = ComponentName(component.clone());
        let (by, reason) = (by.clone(), reason.clone());
        stage(&mut journal, now, &Record::ComponentHeld { component, held: true, by, reason })?;
    }
    journal.commit()?;
    journal.seal(now)?;
    Ok(())
}

fn stage(journal: &mut Journal<Disk>, now: Wall, record: &Record) -> Result<(), JournalError> {
    let (kind, payload) = crate::app::encode(record);
    journal.stage(now, &kind, &payload, Importance::Ordinary).map(drop)
}

/// Somebody must have looked before anything trades by a journal that knows nothing of what was before.
fn new_journal(plan: &Retirement) -> Halt {
    let old = &plan.old;
    let jid = old.jid.as_deref().map_or("without an id", |jid| jid.get(..8).unwrap_or(jid));
    let head =
        old.head.map(|head| format!(", head seq {} {}", head.seq, &head.hash.to_string()[..8])).unwrap_or_default();
    let lost = match old.unread.places.len() as u64 + old.unread.more {
        0 => String::new(),
        1 => "; one place of it could not be read, and what stood there is not carried over".to_owned(),
        places => format!("; {places} places of it could not be read, and what stood there is not carried over"),
    };
    Halt {
        id: plan.new_journal,
        cause: Cause::NewJournal,
        component: None,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        trigger: None,
        evidence: format!(
            "the journal {jid}{head} was retired by {} ({}){lost}",
            plan.by,
            super::cut(&plan.reason, SAID_MAX_BYTES)
        ),
    }
}

/// Whether the disk is full.
pub(super) fn is_no_space(error: &OpenError) -> bool {
    match error {
        OpenError::Storage { source, .. } => is_full(source),
        OpenError::Journal(JournalError::NoSpace { .. }) => true,
        OpenError::Journal(JournalError::Storage { source, .. }) => is_full(source),
        OpenError::Journal(_)
        | OpenError::Verify(_)
        | OpenError::Randomness(_)
        | OpenError::Epoch { .. }
        | OpenError::Origin { .. } => false,
    }
}

/// Whether this says that the disk, or somebody's share of it, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
