//! Writes in which order the linker puts the functions of `failstop`: those that run at rest first. The kernel maps code sixteen pages at
//! a time, so what lies together takes a fraction of the memory that it takes scattered over the program.

mod planted;
mod script;
mod started;
mod symbols;

use crate::run::{TaskError, command, root, run};
use planted::Planted;
use script::{listed, plain, written};
use started::Started;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use symbols::Symbols;

/// Where the order is kept; the build script hands it to the linker.
const ORDER: &str = "crates/cli/link-order.ld";

/// Half a minute after its start the engine lets its code go, and what is planted in it: nothing is planted before.
const STARTED: Duration = Duration::from_secs(50);

/// How long it is watched at rest: what comes once a minute comes twice.
const AT_REST: Duration = Duration::from_secs(130);

/// And so long with its figures asked for and its page read.
const LOOKED_AT: Duration = Duration::from_secs(15);

/// Fewer of the list than this share (percent) in the program, and the list is of another program.
const STILL_THERE: usize = 80;

/// Builds the release, watches which functions run, writes the list; with `check` says how much of the list the release still has.
pub fn order(check: bool, program: Option<PathBuf>) -> Result<(), TaskError> {
    let program = match program {
        Some(program) => program,
        None => {
            run(&mut command("cargo", &["build", "--release", "--bin", "failstop"]))?;
            root().join("target/release/failstop")
        }
    };
    let symbols = Symbols::of(&program)?;
    let kept = root().join(ORDER);
    if check {
        let text = fs::read_to_string(&kept).map_err(|source| TaskError::File { path: kept, source })?;
        let (all, there) = (listed(&text).count(), listed(&text).filter(|name| symbols.has(name)).count());
        println!("{there} of the {all} functions of {ORDER} are in the program");
        if there * 100 < all * STILL_THERE {
            return Err(TaskError::Differs {
                what: format!("{ORDER} is of another program"),
                next: "`cargo xtask order`, and commit what it writes".to_owned(),
            });
        }
        return Ok(());
    }
    let started = Started::start(&program)?;
    std::thread::sleep(STARTED);
    let mut planted = Planted::in_processes(&started.processes()?, &symbols)?;
    planted.watch(AT_REST)?;
    let at_rest = planted.reached();
    started.look_for(LOOKED_AT, &mut planted)?;
    let all = planted.reached();
    planted.take_out()?;
    println!("{} functions at rest, {} with a page open, of {}", at_rest.len(), all.len(), symbols.len());
    // Each part by name, so that two runs of one program write the same where the same ran.
    let plain = |names: &BTreeSet<String>| names.iter().map(|name| plain(name)).collect::<BTreeSet<_>>();
    let (at_rest, all) = (plain(&at_rest), plain(&all));
    let text = written(at_rest.iter().chain(all.difference(&at_rest)).map(String::as_str));
    fs::write(&kept, text).map_err(|source| TaskError::File { path: kept, source })
}
