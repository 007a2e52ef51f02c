//! Looks into an outbox without opening it, for a command that runs where no notifier does, or beside one.

use crate::heart::Heart;
use crate::policy::Policy;
use crate::report::Alert;
use crate::store;
use std::io;
use std::path::Path;

/// Open incidents and the last that are over, as the outbox in `folder` has them: the newest first. Takes no lock, writes
/// nothing, repairs nothing; a torn end is left out. Without an outbox there are none.
///
/// # Errors
///
/// It cannot be read, or a later version wrote it.
pub fn read(folder: &Path) -> io::Result<Vec<Alert>> {
    let found = match store::look(folder) {
        Ok(found) => found,
        Err(store::StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(store::StoreError::Io(error)) => return Err(error),
        Err(error @ (store::StoreError::InUse | store::StoreError::Later(_))) => return Err(io::Error::other(error)),
    };
    let mut heart = Heart::new(String::new(), Policy::default(), Vec::new());
    for record in &found.records {
        heart.replay(record);
    }
    Ok(heart.alerts())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Channel, Config, Key, Kind, LogFile, Notice, Severity};

    #[test]
    fn what_a_notifier_recorded_is_seen_while_it_works_and_afterwards() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let outbox = folder.path().join("outbox");
        assert!(read(&outbox)?.is_empty());
        let file = LogFile { path: folder.path().join("alerts.jsonl"), max_bytes: 1 << 20 };
        let config = Config { channels: vec![Channel::new(Kind::LogFile(file))], ..Config::new("demo") };
        let (handle, driver) = crate::open(config, &outbox)?;
        let running = driver.spawn()?;
        let key = Key::of("demo", "hung", Some("bot"), 7)?;
        let at = jiff::Timestamp::UNIX_EPOCH;
        handle.report(Notice::new(key.clone(), Change::Trigger, Severity::Critical, "bot hangs", at))?.wait()?;
        let seen = read(&outbox)?;
        assert_eq!(seen.len(), 1);
        assert_eq!((&seen[0].key, seen[0].title.as_str(), seen[0].resolved_at), (&key, "bot hangs", None));
        handle.report(Notice::new(key, Change::Resolve, Severity::Critical, "well again", at))?.wait()?;
        drop(handle);
        running.stop();
        let seen = read(&outbox)?;
        assert!(seen[0].resolved_at.is_some());
        assert_eq!(seen[0].delivered_to, ["log_file"]);
        Ok(())
    }
}
