//! The recorded dialogues of the bot socket (`tests/conformance`), their client's side played against the real engine.

use crate::system::System;
use std::path::Path;

#[test]
fn the_engine_answers_as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (script, folder) = (root.join("tests/e2e/replay.py"), root.join("tests/conformance"));
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"python3\", {script:?}, {folder:?}, \"DIR/result\"]\norders = \"asks\"\n\
         [gate]\nmoney = \"USDT\"\npaper_equity = \"100000\"\n[prices]\nsources = [\"a\"]\nmax_age = \"5m\"\n\
         [[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n",
    ));
    system.start();
    let result: serde_json::Value = serde_json::from_str(&system.wait_file("result")).unwrap();
    assert_eq!(result["wrong"], serde_json::json!([]));
    assert!(result["played"].as_u64().unwrap() >= 8, "{result}");
    assert_eq!(system.stop(), 0);
}
