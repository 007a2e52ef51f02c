//! The processes of a system as text: a block a component, children below their parents.

use super::duration::{age, span};
use super::number::{counted, grouped, size};
use super::table::{Cell, Table};
use failstop_client::processes::{ProcessEntry, ProcessList};

/// The list.
pub fn text(list: &ProcessList) -> String {
    let mut table = Table::default();
    let number = |word: &str| Cell::from(word).right();
    table.row([
        "component".into(),
        number("pid"),
        "program".into(),
        number("memory"),
        number("cpu"),
        number("age"),
        number("threads"),
        number("files"),
        "state".into(),
    ]);
    for tree in &list.components {
        rows(&mut table, &tree.name, &tree.processes);
    }
    rows(&mut table, "failstop", &list.failstop);
    let mut out = table.render();
    let processes = list.components.iter().flat_map(|tree| &tree.processes);
    let (count, memory) = processes.fold((0_u64, 0_u64), |(count, memory), process| {
        (count + 1, memory.saturating_add(process.memory_bytes.unwrap_or_default()))
    });
    let components = counted(u64::try_from(list.components.len()).unwrap_or(u64::MAX), "component");
    let noun = if count == 1 { "process" } else { "processes" };
    out.push_str(&format!("{} {noun} of {components}, {}\n", grouped(count), size(memory)));
    out
}

fn rows(table: &mut Table, name: &str, processes: &[ProcessEntry]) {
    for (index, process) in processes.iter().enumerate() {
        let indent = "  ".repeat(usize::try_from(process.depth).unwrap_or_default().min(20));
        let unknown = || "?".to_owned();
        table.row([
            Cell::from(if index == 0 { name } else { "" }),
            Cell::from(process.pid.to_string()).right(),
            Cell::from(format!("{indent}{}", process.name)),
            Cell::from(process.memory_bytes.map_or_else(unknown, size)).right(),
            Cell::from(span(process.cpu_seconds)).right(),
            Cell::from(age(process.age_seconds)).right(),
            Cell::from(process.threads.to_string()).right(),
            Cell::from(process.files.map_or_else(unknown, |files| files.to_string())).right(),
            Cell::state(&process.state),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_client::processes::ProcessTree;

    fn process(pid: u32, depth: u32, name: &str, memory: Option<u64>) -> ProcessEntry {
        ProcessEntry {
            pid,
            parent: 1,
            depth,
            name: name.to_owned(),
            state: "sleeping".to_owned(),
            memory_bytes: memory,
            cpu_seconds: 61.0,
            age_seconds: 7320.9,
            threads: 4,
            files: memory.map(|_| 17),
        }
    }

    #[test]
    fn children_stand_below_their_parents_and_what_is_unknown_is_said() {
        let list = ProcessList {
            timestamp: "2026-11-03T20:51:07Z".to_owned(),
            components: vec![ProcessTree {
                name: "bot".to_owned(),
                pid: Some(718),
                processes: vec![
                    process(718, 0, "python3", Some(412_000_000)),
                    process(20_720, 1, "node\x1b[31m", None),
                ],
            }],
            failstop: vec![process(700, 0, "failstop", Some(3_000_000))],
        };
        assert_eq!(
            text(&list),
            "component     pid   program            memory         cpu         age   threads   files   state\n\
             bot           718   python3            412 MB   1 min 1 s   2 h 2 min         4      17   sleeping\n\
             \x20           20720     node\\u{1b}[31m        ?   1 min 1 s   2 h 2 min         4       ?   sleeping\n\
             failstop      700   failstop           3.0 MB   1 min 1 s   2 h 2 min         4      17   sleeping\n\
             2 processes of 1 component, 412 MB\n"
        );
    }
}
