//! The recorded dialogues of the bot socket (`tests/conformance`), their client's side played against the real engine.

use crate::system::{PATIENCE, System};
use std::path::Path;
use std::time::Instant;

/// Waits for a file that a component renames into place.
#[track_caller]
fn wait_file(system: &System, name: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        match std::fs::read_to_string(system.path(name)) {
            Ok(text) => return text,
            Err(_) if Instant::now() < end => std::thread::sleep(std::time::Duration::from_millis(10)),
            Err(error) => panic!("{name}: {error}; {}", system.log()),
        }
    }
}

#[test]
fn the_engine_answers_as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (script, folder) = (root.join("tests/e2e/replay.py"), root.join("tests/conformance"));
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"python3\", {script:?}, {folder:?}, \"DIR/result\"]\norders = \"asks\"\n",
    ));
    system.start();
    let result: serde_json::Value = serde_json::from_str(&wait_file(&system, "result")).unwrap();
    assert_eq!(result["wrong"], serde_json::json!([]));
    assert!(result["played"].as_u64().unwrap() >= 7, "{result}");
    assert_eq!(system.stop(), 0);
}
