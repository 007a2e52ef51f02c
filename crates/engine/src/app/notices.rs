//! What components say over sd_notify: whose word counts, and what is done about the words that are not the core's alone. The
//! core takes signs; here are statuses, main processes, descriptors and who may speak.

use super::engine::Engine;
use crate::masking;
use crate::notify_socket::{Access, Notice, Notification, Put, Received, is_worth_keeping};
use crate::process::pidfd::PidFd;
use crate::process::tree::TreeId;
use core::time::Duration;
use failstop_core::{Input, Monotonic, Sign, Slot};
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};

/// Refused notices are said once in so long for each component: whoever sends them chooses how many there are.
const REFUSAL_SAID_EVERY: Duration = Duration::from_secs(60);

/// When refused notices of a component were said last, and how many were not said since.
#[derive(Debug, Default)]
pub struct Refusals(BTreeMap<Slot, (Monotonic, u64)>);

impl Refusals {
    /// The words for one more, if it is to be said now.
    fn words(&mut self, slot: Slot, now: Monotonic, refusal: &str) -> Option<String> {
        match self.0.get_mut(&slot) {
            Some((said, unsaid)) if now < said.plus(REFUSAL_SAID_EVERY) => {
                *unsaid = unsaid.saturating_add(1);
                None
            }
            Some((said, unsaid)) => {
                let before = std::mem::take(unsaid);
                *said = now;
                let before =
                    if before > 0 { format!(" ({before} more were since the last was said)") } else { String::new() };
                Some(format!("notify socket: {refusal}{before}"))
            }
            None => {
                self.0.insert(slot, (now, 0));
                Some(format!("notify socket: {refusal}"))
            }
        }
    }
}

impl Engine {
    /// A component said something over sd_notify.
    pub(super) fn notice(&mut self, received: Received) {
        match received {
            Received::Notice(notice) => self.notified(notice),
            Received::Refused { slot, refusal } => self.refused_notice(slot, &refusal.to_string()),
        }
    }

    /// What a component had said before its main process ended is taken before that end is: it may name another main process,
    /// or say why it fails.
    pub(super) fn take_last_words(&mut self, slot: Slot) {
        for received in self.notify_starts.take_waiting(slot) {
            self.notice(received);
        }
    }

    fn refused_notice(&mut self, slot: Slot, refusal: &str) {
        self.meters.notify_refused();
        if let Some(words) = self.refusals.words(slot, crate::clock::now(), refusal) {
            let name = self.name_of(slot).unwrap_or_default().to_owned();
            self.say(&name, &words);
        }
    }

    fn notified(&mut self, mut notice: Notice) {
        let slot = notice.slot;
        if let Some(refusal) = self.judge_sender(&notice) {
            self.refused_notice(slot, &refusal);
            return;
        }
        self.meters.notify_taken(notice.malformed);
        for notification in std::mem::take(&mut notice.notifications) {
            if let Some(sign) = notification.sign() {
                self.feed(Input::Sign { slot, instance: notice.instance, sign });
            }
            match notification {
                Notification::Status(text) => {
                    let name = self.name_of(slot).unwrap_or_default().to_owned();
                    self.facts.says(&name, Some(masking::owned(text)));
                }
                Notification::MainPid { pid, pidfd_id } => {
                    // As it is numbered where the sender is: only senders are translated by the kernel, texts are not.
                    let tree = TreeId { slot, instance: notice.instance };
                    match self.trees.number_outside(tree, pid) {
                        Some(pid) => self.names_main(&notice, pid, pidfd_id, None),
                        None => self
                            .refused_notice(slot, &format!("MAINPID={pid}: there is no such process in its namespace")),
                    }
                }
                Notification::MainPidFd => {
                    // Exactly one descriptor is meant; which of several would be guessing.
                    match (notice.descriptors.pop(), notice.descriptors.is_empty()) {
                        (Some(fd), true) => self.names_main_by_descriptor(&notice, fd),
                        _ => self.refused_notice(slot, "MAINPIDFD=1 came without exactly one descriptor"),
                    }
                }
                Notification::StoreDescriptors { name, poll } => {
                    let descriptors = std::mem::take(&mut notice.descriptors);
                    self.store_descriptors(&notice, name.as_deref(), poll, descriptors);
                }
                Notification::RemoveDescriptors { name: Some(name) } => {
                    self.store.remove(slot, &name, &self.watch_set);
                    self.count_stored(slot);
                }
                Notification::RemoveDescriptors { name: None } => {
                    self.refused_notice(slot, "FDSTOREREMOVE=1 came without a name in FDNAME");
                }
                Notification::Access(access) => {
                    if !self.notify_starts.tighten(slot, notice.instance, access) {
                        let why =
                            "NOTIFYACCESS may only be tightened: write `notify_access` in the configuration instead";
                        self.refused_notice(slot, why);
                    }
                }
                Notification::Ready
                | Notification::Reloading { .. }
                | Notification::Stopping
                | Notification::Errno(_)
                | Notification::BusError(_)
                | Notification::ExitStatus(_)
                | Notification::Watchdog
                | Notification::WatchdogTrigger
                | Notification::WatchdogSpan(_)
                | Notification::ExtendTimeout(_)
                | Notification::Barrier => {}
            }
        }
        // Dropping it closes what came along: the acknowledgement of BARRIER=1, after everything before it was taken.
        drop(notice);
    }

    /// Why a sender is not listened to. It is often gone by the time one looks, so only one that is proven to be somebody
    /// else is refused; its number comes from the kernel and stays true.
    fn judge_sender(&self, notice: &Notice) -> Option<String> {
        if let Some(tree) = self.trees.tree_of(notice.pid)
            && tree.slot != notice.slot
        {
            return Some(format!("refused a message of component {}", self.name_of(tree.slot).unwrap_or_default()));
        }
        let tree = TreeId { slot: notice.slot, instance: notice.instance };
        let is_main = || self.trees.main_of(tree) == Some(notice.pid);
        let is_hook = || self.hooks.is_of(notice.pid, tree);
        let (speaks, who) = match notice.access {
            Access::All => (true, ""),
            Access::Exec => (is_main() || is_hook(), "the main process and the hooks"),
            Access::Main => (is_main(), "the main process"),
            Access::None => (false, "nobody"),
        };
        (!speaks).then(|| format!("refused a message of pid {}: by `notify_access` only {who} may speak", notice.pid))
    }

    /// A component says that its main process is another one.
    fn names_main(&mut self, notice: &Notice, pid: i32, pidfd_id: Option<u64>, pidfd: Option<PidFd>) {
        let tree = TreeId { slot: notice.slot, instance: notice.instance };
        match self.trees.hand_over(tree, pid, pidfd_id, pidfd.as_ref(), &self.watch_set) {
            Ok(None) => {}
            Ok(Some(id)) => {
                let component = self.name_of(notice.slot).unwrap_or_default().to_owned();
                let recorded = crate::process::register::Recorded { id, component, instance: notice.instance.0 };
                if let Err(error) = self.register.started(recorded) {
                    self.say("engine", &format!("the register of processes cannot be written: {error}"));
                }
                let sign = Sign::MainProcess(u32::try_from(pid).unwrap_or_default());
                self.feed(Input::Sign { slot: notice.slot, instance: notice.instance, sign });
            }
            Err(refusal) => self.refused_notice(notice.slot, &refusal.to_string()),
        }
    }

    fn names_main_by_descriptor(&mut self, notice: &Notice, fd: OwnedFd) {
        match PidFd::of_descriptor(fd) {
            Ok((pidfd, pid)) => self.names_main(notice, pid, None, Some(pidfd)),
            Err(error) => self.refused_notice(notice.slot, &format!("MAINPIDFD=1: {error}")),
        }
    }

    fn store_descriptors(&mut self, notice: &Notice, name: Option<&str>, poll: bool, mut descriptors: Vec<OwnedFd>) {
        let slot = notice.slot;
        let max = slot.index().and_then(|index| self.config.components.get(index)).map_or(0, |one| one.fd_store_max);
        if max == 0 {
            self.refused_notice(slot, "FDSTORE=1: nothing is kept for this component; set its `fd_store_max`");
            return;
        }
        if !self.trees.is_here(TreeId { slot, instance: notice.instance }) {
            // Its component is gone, and what was kept for it may have been dropped on purpose.
            return;
        }
        descriptors.retain(|fd| is_worth_keeping(fd.as_fd()).unwrap_or(false));
        let watch = poll.then_some(&self.watch_set);
        let Put { refused, .. } =
            self.store.put(slot, usize::try_from(max).unwrap_or(usize::MAX), name, descriptors, watch);
        self.count_stored(slot);
        if refused > 0 {
            self.refused_notice(slot, &format!("FDSTORE=1: {refused} descriptors above `fd_store_max` were closed"));
        }
    }

    /// Closes what is kept for a component: it is not started again by itself.
    pub(super) fn drop_stored(&mut self, slot: Slot) {
        if self.store.drop_all(slot, &self.watch_set) > 0 {
            self.count_stored(slot);
        }
    }

    fn count_stored(&mut self, slot: Slot) {
        let name = self.name_of(slot).unwrap_or_default().to_owned();
        self.facts.stores(&name, self.store.count(slot));
    }

    /// Something in the watch set is news: a main process that a component named ended, or what is kept hung up.
    pub(super) fn watched(&mut self) {
        // Everything that is told is forgotten then, so this comes to an end.
        loop {
            let news = match self.watch_set.news() {
                Ok(news) => news,
                Err(error) => {
                    self.say("engine", &format!("descriptors cannot be watched any more: {error}"));
                    return;
                }
            };
            if news.is_empty() {
                return;
            }
            for token in news {
                self.watched_one(token);
            }
        }
    }

    /// Closes what is kept and hung up, whatever else is news.
    pub(super) fn drop_hung_up(&mut self) {
        while self.watch_set.news().unwrap_or_default().into_iter().filter(|token| self.drop_if_kept(*token)).count()
            > 0
        {}
    }

    /// Closes the kept descriptor of this token; whether it was one.
    fn drop_if_kept(&mut self, token: u64) -> bool {
        let whose = self.store.hung_up(token, &self.watch_set);
        if let Some((slot, _)) = &whose {
            self.count_stored(*slot);
        }
        whose.is_some()
    }

    fn watched_one(&mut self, token: u64) {
        if self.drop_if_kept(token) {
            return;
        }
        if let Some(slot) = self.trees.namespace_token(token) {
            self.namespace_speaks(slot);
            return;
        }
        let Some(slot) = self.trees.adopted_of(token) else { return };
        self.trees.unwatch(slot, &self.watch_set);
        self.take_last_words(slot);
        match self.trees.adopted_ended(slot, &self.watch_set) {
            Some((tree, exit)) => {
                // Its number is its own parent's to free.
                self.main_ended(tree, exit);
                self.trees.sweep_strays();
                self.poll_trees();
            }
            // Our own child by now: its status is the reaper's to take.
            None => self.reap(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn whoever_floods_a_notify_socket_is_said_once_a_minute() {
        let (bot, other) = (Slot::component(0).unwrap(), Slot::component(1).unwrap());
        let mut refusals = Refusals::default();
        let mut now = Monotonic::from_nanos(5_000_000_000);
        let first = refusals.words(bot, now, "too long");
        assert_eq!(first.as_deref(), Some("notify socket: too long"));
        assert!((0..1000).all(|_| refusals.words(bot, now, "too long").is_none()));
        assert!(refusals.words(other, now, "too long").is_some(), "another component's is another matter");
        now = now.plus(REFUSAL_SAID_EVERY);
        let next = refusals.words(bot, now, "too long").unwrap();
        assert!(next.contains("1000 more"), "{next}");
        assert!(refusals.words(bot, now, "too long").is_none());
        now = now.plus(REFUSAL_SAID_EVERY);
        assert!(refusals.words(bot, now, "too long").unwrap().contains("(1 more"));
    }
}
