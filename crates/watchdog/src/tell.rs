//! The way to people: the heart's notices in the notifier's words.

use crate::heart::notice::{self, Cause};
use failstop_notify::{Change, Key, KeyFault, Nature, Notice, Severity};

/// A severity in the notifier's words.
pub const fn severity(severity: notice::Severity) -> Severity {
    match severity {
        notice::Severity::Info => Severity::Info,
        notice::Severity::Warning => Severity::Warning,
        notice::Severity::Critical => Severity::Critical,
    }
}

/// A severity in the heart's words.
pub const fn severity_of(severity: Severity) -> notice::Severity {
    match severity {
        Severity::Info => notice::Severity::Info,
        Severity::Warning => notice::Severity::Warning,
        Severity::Critical => notice::Severity::Critical,
    }
}

/// A notice as the notifier takes it.
///
/// # Errors
/// [`KeyFault`]: a name that cannot stand in a key; the configuration refuses such names.
pub fn notice(notice: &notice::Notice, environment: &str) -> Result<Notice, KeyFault> {
    let key = Key::parse(&notice.key)?;
    let change = match notice.change {
        notice::Change::Trigger => Change::Trigger,
        notice::Change::Update => Change::Update,
        notice::Change::Resolve => Change::Resolve,
    };
    let at = jiff::Timestamp::from_millisecond(notice.at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut told = Notice::new(key, change, severity(notice.severity), notice.title.clone(), at);
    told.nature = nature(notice.cause);
    notice.system.clone_into(&mut told.system);
    notice.cause.word().clone_into(&mut told.cause);
    environment.clone_into(&mut told.environment);
    told.maintenance = notice.maintenance;
    notice.message.clone_into(&mut told.message);
    told.root_cause.clone_from(&notice.root_cause);
    told.recommended_action.clone_from(&notice.action);
    told.metadata.clone_from(&notice.metadata);
    told.trace_id = Some(notice.key.clone());
    told.head.clone_from(&notice.head);
    Ok(told)
}

fn nature(cause: Cause) -> Nature {
    if cause.is_integrity() { Nature::Integrity } else { Nature::Other }
}
