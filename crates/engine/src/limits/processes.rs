//! What `failstop ps` shows: the loop says which processes there are, and this reads what each of them uses, beside the loop.

use super::sampling::{ProcessFigures, open_files, process_pss_bytes};
use crate::process::procfs::{self, ProcessId, Stat};
use failstop_client::processes::{ProcessEntry, ProcessList, ProcessTree};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Of so many processes in all the memory is read, which costs a quarter of a millisecond each and more for large ones.
const MEASURED_MAX: usize = 2_000;

/// Which processes there are, as the loop knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Each component that runs: its name, its main process while that lives, and everything of its tree.
    pub components: Vec<(String, Option<i32>, Vec<ProcessId>)>,
    /// Guard and engine.
    pub failstop: Vec<i32>,
}

/// Reads what each of them uses, at `timestamp`. Blocks for as long as the kernel takes to say it.
pub fn read(membership: &Membership, timestamp: String) -> ProcessList {
    let mut left = MEASURED_MAX;
    let components = membership.components.iter().map(|(name, main, members)| {
        let stats: Vec<Stat> = members
            .iter()
            .filter_map(|id| procfs::stat(id.pid).ok().filter(|stat| stat.id == *id && !procfs::is_dead(stat)))
            .collect();
        ProcessTree {
            name: name.clone(),
            pid: main.and_then(|pid| u32::try_from(pid).ok()),
            processes: in_order(stats, *main)
                .iter()
                .filter_map(|(depth, stat)| entry(stat, *depth, &mut left))
                .collect(),
        }
    });
    let components = components.collect();
    let own = membership.failstop.iter().filter_map(|pid| procfs::stat(*pid).ok());
    let failstop =
        own.enumerate().filter_map(|(depth, stat)| entry(&stat, u32::try_from(depth).unwrap_or(u32::MAX), &mut left));
    ProcessList { timestamp, components, failstop: failstop.collect() }
}

/// Each process before its children, the main process first, orphans after it, with how deep each stands.
fn in_order(stats: Vec<Stat>, main: Option<i32>) -> Vec<(u32, Stat)> {
    let numbers: Vec<i32> = stats.iter().map(|stat| stat.id.pid).collect();
    let mut below: BTreeMap<i32, Vec<Stat>> = BTreeMap::new();
    let mut tops: Vec<Stat> = Vec::new();
    for stat in stats {
        if Some(stat.id.pid) != main && numbers.contains(&stat.parent) {
            below.entry(stat.parent).or_default().push(stat);
        } else {
            tops.push(stat);
        }
    }
    let by_number = |stat: &Stat| (Some(stat.id.pid) != main, stat.id.pid);
    tops.sort_by_key(by_number);
    let mut open: Vec<(u32, Stat)> = tops.into_iter().rev().map(|stat| (0, stat)).collect();
    let mut ordered = Vec::new();
    while let Some((depth, stat)) = open.pop() {
        let mut children = below.remove(&stat.id.pid).unwrap_or_default();
        children.sort_by_key(by_number);
        open.extend(children.into_iter().rev().map(|child| (depth.saturating_add(1), child)));
        ordered.push((depth, stat));
    }
    // Two that changed parents while they were read may each seem to be below the other.
    ordered.extend(below.into_values().flatten().map(|stat| (0, stat)));
    ordered
}

fn entry(stat: &Stat, depth: u32, left: &mut usize) -> Option<ProcessEntry> {
    let pid = u32::try_from(stat.id.pid).ok()?;
    let figures = ProcessFigures::of(pid)?;
    let measured = *left > 0;
    *left = left.saturating_sub(1);
    Some(ProcessEntry {
        pid,
        parent: u32::try_from(stat.parent).unwrap_or_default(),
        depth,
        name: stat.comm.clone(),
        state: state(stat.state).to_owned(),
        memory_bytes: measured.then(|| process_pss_bytes(pid).ok()).flatten(),
        cpu_seconds: figures.cpu.as_secs_f64(),
        age_seconds: figures.age.as_secs_f64(),
        threads: figures.threads,
        files: open_files(&PathBuf::from(format!("/proc/{pid}"))),
    })
}

const fn state(letter: char) -> &'static str {
    match letter {
        'R' => "running",
        'D' => "waiting",
        'T' | 't' => "stopped",
        'Z' | 'X' | 'x' => "dead",
        // S, I, and whatever a later kernel calls a sleep.
        _ => "sleeping",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::process::{Command, Stdio};

    fn stat(pid: i32, parent: i32) -> Stat {
        let id = ProcessId { pid, start_time: 1 };
        Stat { id, parent, state: 'S', comm: format!("p{pid}"), kernel: false, exiting: false }
    }

    #[test]
    fn each_stands_before_its_children_the_main_process_first_and_orphans_at_the_top() {
        let stats = vec![stat(9, 30), stat(31, 30), stat(30, 5), stat(40, 31), stat(7, 5), stat(12, 7)];
        let ordered: Vec<(u32, i32)> =
            in_order(stats, Some(30)).iter().map(|(depth, stat)| (*depth, stat.id.pid)).collect();
        assert_eq!(ordered, vec![(0, 30), (1, 9), (1, 31), (2, 40), (0, 7), (1, 12)]);
    }

    #[test]
    fn none_is_lost_where_parents_changed_meanwhile() {
        let stats = vec![stat(30, 5), stat(8, 9), stat(9, 8)];
        assert_eq!(in_order(stats, Some(30)).len(), 3);
    }

    #[test]
    fn a_process_is_read_with_what_it_uses_and_one_with_another_start_is_not() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let id = procfs::stat(pid).unwrap().id;
        let another = ProcessId { start_time: id.start_time + 1, ..id };
        let membership = Membership {
            components: vec![("bot".to_owned(), Some(pid), vec![id]), ("old".to_owned(), None, vec![another])],
            failstop: vec![i32::try_from(std::process::id()).unwrap()],
        };
        let list = read(&membership, "2026-11-03T20:51:07Z".to_owned());
        child.kill().unwrap();
        child.wait().unwrap();
        let bot = &list.components[0].processes[0];
        assert_eq!((bot.pid, bot.depth, bot.threads), (child.id(), 0, 1));
        assert!(bot.memory_bytes.is_some_and(|bytes| bytes > 0), "{bot:?}");
        assert!(bot.files >= Some(3) && bot.age_seconds < 3600.0, "{bot:?}");
        assert!(list.components[1].processes.is_empty(), "a number that was given again");
        assert_eq!(list.failstop.len(), 1);
    }
}
