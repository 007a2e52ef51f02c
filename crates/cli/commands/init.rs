//! `failstop init`: writes a commented configuration for a bot.

use crate::args::{InitArgs, Orders};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use clap::ValueEnum as _;
use failstop_engine::config::{Orders as Placing, init_template};
use std::fs::OpenOptions;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

/// The name where the folder's gives none.
const FALLBACK_NAME: &str = "demo";

/// Writes it, or prints it for `--output -`.
pub fn init(args: &InitArgs) -> Result<Exit, Failure> {
    let to_stdout = args.output == Path::new("-");
    if !to_stdout && args.output.symlink_metadata().is_ok() {
        return Err(Failure::Exists { path: args.output.clone() });
    }
    let may_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    let folder = folder_name(&args.output);
    let name = match &args.name {
        Some(name) => checked(name)?,
        None if may_ask => checked(&ask("The system's name", &folder))?,
        None => folder,
    };
    let mut command = args.command.clone();
    if command.is_empty() && may_ask {
        command = ask("The bot's command", "python3 bot.py").split_whitespace().map(str::to_owned).collect();
    }
    let orders = match args.orders {
        None if may_ask => ask_orders(),
        told => told,
    };
    let text = init_template(&name, &command, placing(orders));
    if to_stdout {
        out::print_last(&text)?;
        return Ok(Exit::Good);
    }
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists { path: args.output.clone() },
        _ => Failure::Unwritable { path: args.output.clone(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(&args.output).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let shown = args.output.display();
    let assumed = match orders {
        Some(_) => "",
        None => {
            "nothing was said about its orders, so the bot is taken to place them by itself (`orders = \"direct\"`) and \
             runs only live; write what is true of it\n"
        }
    };
    out::print_last(&format!("{shown} is written\n{assumed}next: failstop check --config {shown}\n"))?;
    Ok(Exit::Good)
}

/// The configuration's word. Whoever says nothing gets the strictest: a bot of which nothing is known may ask nobody.
fn placing(orders: Option<Orders>) -> Placing {
    match orders {
        Some(Orders::Asks) => Placing::Asks,
        Some(Orders::None) => Placing::None,
        Some(Orders::Direct) | None => Placing::Direct,
    }
}

/// Asks on the terminal until the answer is one of the three, or none.
fn ask_orders() -> Option<Orders> {
    let question = "How does it place orders? asks (the permit before each), direct (by itself), none (never)";
    loop {
        let answer = ask(question, "not said");
        if answer == "not said" {
            return None;
        }
        if let Ok(orders) = Orders::from_str(&answer, true) {
            return Some(orders);
        }
    }
}

/// A name is an answer that nobody mends behind one's back.
fn checked(name: &str) -> Result<String, Failure> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Failure::Usage {
        what: format!("`{name}` cannot be a system's name"),
        next: "use 1 to 64 letters, digits, `-` and `_`".to_owned(),
    })
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The name of the folder that the file will lie in, where it can be a system's.
fn folder_name(output: &Path) -> String {
    let folder = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().ok();
    let name = folder.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    if is_name(name) { name.to_owned() } else { FALLBACK_NAME.to_owned() }
}

/// Asks on the terminal; an empty answer, or none, is the default.
fn ask(question: &str, default: &str) -> String {
    let mut stderr = io::stderr();
    let mut answer = String::new();
    let asked = write!(stderr, "{question} [{default}]: ").and_then(|()| stderr.flush());
    if asked.is_err() || io::stdin().lock().read_line(&mut answer).is_err() {
        return default.to_owned();
    }
    let answer = answer.trim();
    if answer.is_empty() { default.to_owned() } else { answer.to_owned() }
}
