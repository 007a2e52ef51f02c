//! `failstop init`, without a terminal.

use crate::folder::{Folder, contents};

#[test]
fn what_init_writes_passes_the_checks() {
    let folder = Folder::new();
    folder.write("bot.py", "print('hello')\n");
    let ran = folder.run(&["init", "--name", "demo", "--", "/bin/sleep", "60"]).ends(0).quiet();
    assert!(ran.out.contains("next: failstop check"), "{}", ran.out);
    let text = String::from_utf8(contents(&folder.path("failstop.toml"))).unwrap();
    assert!(text.contains("name = \"demo\"") && text.contains("\"/bin/sleep\", \"60\""), "{text}");
    // Of a bot that nothing is known about the strictest is assumed, and that is said.
    assert!(text.contains("orders = \"direct\"") && ran.out.contains("runs only live"), "{text}\n{}", ran.out);
    let checked = folder.run(&["check", "--offline"]).ends(0);
    assert!(checked.out.contains("components that ask nobody do not run: bot"), "{}", checked.out);
}

#[test]
fn init_writes_how_the_bot_places_its_orders() {
    let folder = Folder::new();
    for orders in ["asks", "direct", "none"] {
        let file = format!("{orders}.toml");
        let ran =
            folder.run(&["init", "--orders", orders, "--output", &file, "--", "/bin/sleep", "60"]).ends(0).quiet();
        assert!(!ran.out.contains("nothing was said"), "{}", ran.out);
        let text = String::from_utf8(contents(&folder.path(&file))).unwrap();
        assert!(text.contains(&format!("\norders = \"{orders}\"\n")), "{text}");
        folder.run(&["check", "--offline", "--config", &file]).ends(0);
    }
    let ran = folder.run(&["init", "--orders", "maybe"]).ends(2);
    assert!(ran.err.contains("asks, direct, none"), "{}", ran.err);
}

#[test]
fn init_overwrites_nothing() {
    let folder = Folder::new();
    let path = folder.write("failstop.toml", "mine");
    let ran = folder.run(&["init"]).ends(1);
    assert!(ran.err.starts_with("error: failstop.toml exists already"), "{}", ran.err);
    assert_eq!(contents(&path), b"mine");
}

#[test]
fn init_prints_for_a_dash_and_writes_nothing() {
    let folder = Folder::new();
    let ran = folder.run(&["init", "--output", "-", "--name", "x", "--", "a b", "c\"d"]).ends(0).quiet();
    assert!(ran.out.contains("[\"a b\", \"c\\\"d\"]"), "{}", ran.out);
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0);
}

#[test]
fn a_bad_name_is_refused_and_a_missing_folder_is_said() {
    let folder = Folder::new();
    let ran = folder.run(&["init", "--name", "a b"]).ends(2);
    assert!(ran.err.contains("letters, digits"), "{}", ran.err);
    let ran = folder.run(&["init", "--output", "no/such/folder.toml"]).ends(3);
    assert!(ran.err.contains("cannot write no/such/folder.toml"), "{}", ran.err);
}
