//! What `failstop init` writes: the few keys that matter at first; the rest stands in the reference.

use failstop_settings::valid_name;
/// A commented configuration for one bot. A name that cannot be a system's name is mended; an empty `command` becomes an
/// example. Valid by construction (a test loads it).
pub fn init_template(name: &str, command: &[String]) -> String {
    let name = valid_name(name).unwrap_or_else(|| "demo".to_owned());
    let example = ["python3".to_owned(), "bot.py".to_owned()];
    let command = if command.first().is_none_or(|program| program.trim().is_empty()) { &example } else { command };
    let command: Vec<String> = command.iter().map(|word| toml_string(word)).collect();
    let command = command.join(", ");
    let name_line = format!("name = \"{name}\"");
    let width = name_line.len().max(21);
    format!(
        "# failstop.toml: run with `failstop run`, test with `failstop check`. All keys: docs/reference/configuration.toml\n\
         \n\
         [system]\n\
         {name_line:<width$}  # appears in alerts and metrics; commands that loosen ask for it\n\
         {:<width$}  # journal and latches; must survive a reboot\n\
         {:<width$}  # no order reaches the exchange; \"live\" needs `failstop mode live` besides\n\
         \n\
         [[component]]\n\
         name = \"bot\"\n\
         command = [{command}]\n\
         # asks: checks the permit before each order; direct: asks nobody, runs only while active and live;\n\
         # none: places no orders. Write what is true of your bot\n\
         orders = \"none\"\n\
         restart = \"always\"   # or \"on-failure\", \"never\"\n\
         # liveness = {{ heartbeat = \"2m\" }}   # once it sends heartbeats; {{ watchdog = \"3m\" }} if it speaks sd_notify\n",
        "state_dir = \"state\"", "mode = \"dry\""
    )
}

/// A TOML basic string.
fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\0' => {}
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
