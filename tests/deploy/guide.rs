//! The guide: its links lead somewhere, its configurations pass the check, and what its table says of other bots' variables is
//! a key that there is.

use crate::files::{below, failstop, read, root, watchdog};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The least that a configuration has.
const HEAD: &str = "[system]\nname = \"guide\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\n";
const COMPONENT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sleep\", \"1\"]\norders = \"none\"\n";

/// What a block about the gate goes with.
const GATE: &str = concat!(
    "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n",
    "[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n"
);

/// What it needs where a block says nothing of prices.
const PRICES: &str = "[prices]\nsources = [\"bot\"]\n";

fn check(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.arg("check").args(arguments).current_dir(folder);
    command.env_remove("FAILSTOP_CONFIG").env_remove("FAILSTOP_WATCHDOG_CONFIG").output().unwrap()
}

/// Blocks of code in a page, in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[test]
fn links_lead_somewhere() {
    for file in below("docs/guide", ".md") {
        let folder = root().join(&file).parent().unwrap().to_owned();
        for rest in read(&file).split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap();
            let outside = target.is_empty() || target.contains("://");
            assert!(outside || folder.join(target).exists(), "{file}: {target} is not there");
        }
    }
}

#[test]
fn the_index_has_every_page() {
    let index = read("docs/guide/README.md");
    for file in below("docs/guide", ".md") {
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "{name} is not in docs/guide/README.md");
    }
}

#[test]
fn configurations_are_taken() {
    let mut found = 0;
    for file in below("docs/guide", ".md") {
        for block in blocks(&read(&file), "toml") {
            let folder = tempfile::tempdir().unwrap();
            found += 1;
            let watched = ["[watchdog]", "[actuate]", "[[target]]", "[[checkin]]"];
            let output = if watched.iter().any(|section| block.contains(section)) {
                fs::write(folder.path().join("w.toml"), &block).unwrap();
                check(&watchdog(), folder.path(), &["--config", "w.toml"])
            } else {
                let head = if block.contains("[system]") { "" } else { HEAD };
                let component = if block.contains("[[component]]") { "" } else { COMPONENT };
                let of_the_gate = ["[prices]", "[shared_rates]"].iter().any(|section| block.contains(section));
                let gate = if of_the_gate && !block.contains("[gate]") { GATE } else { "" };
                let prices = if gate.is_empty() || block.contains("[prices]") { "" } else { PRICES };
                fs::write(folder.path().join("f.toml"), format!("{head}{block}\n{component}{gate}{prices}")).unwrap();
                check(
                    Path::new(failstop()),
                    folder.path(),
                    &["--offline", "--only", "configuration", "--config", "f.toml"],
                )
            };
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            // A key file or a secret that a page only names is not there: that is a finding, and no configuration that
            // cannot be read.
            assert_ne!(output.status.code(), Some(2), "{file}:\n{block}\n{said}");
            assert!(!said.contains("unknown key"), "{file}:\n{block}\n{said}");
        }
    }
    assert!(found >= 5, "{found} blocks");
}

#[test]
fn variables_of_other_bots_have_a_key_that_there_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f.toml"), format!("{HEAD}{COMPONENT}{GATE}{PRICES}")).unwrap();
    let page = read("docs/guide/variables.md");
    let mut tried = 0;
    // A table's head says where its keys are.
    let mut below = String::new();
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        if row.starts_with("| theirs |") {
            let section = row.split_once("below `[").and_then(|(_, rest)| rest.split_once("]`"));
            below = section.map(|(section, _)| format!("{section}.")).unwrap_or_default();
        }
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let Some(setting) = cells.get(1).and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`')) else { continue };
        let Some((key, value)) = setting.split_once(" = ") else { continue };
        tried += 1;
        // By the environment, as a service or a container would.
        let mut command = Command::new(failstop());
        let name = format!("FAILSTOP__{}", format!("{below}{key}").to_uppercase().replace('.', "__"));
        command
            .args(["check", "--offline", "--only", "configuration", "--config", "f.toml"])
            .current_dir(folder.path());
        let output = command.env(&name, value.trim_matches('"')).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{row}\n{name}: {said}");
    }
    assert!(tried >= 12, "{tried} rows");
}
