//! `failstop snapshot`, `orders` and `import` where there is no engine, and nothing yet.

use crate::folder::Folder;

#[test]
fn without_a_journal_there_is_nothing_to_show() {
    let folder = Folder::with_system();
    assert_eq!(folder.run(&["snapshot", "list"]).ends(0).quiet().out, "no snapshots\n");
    assert_eq!(folder.run(&["snapshot", "list", "--format", "json"]).ends(0).quiet().out, "{\"snapshots\":[]}\n");
    let none = folder.run(&["snapshot", "show"]).ends(2);
    assert!(
        none.err.contains("there is no snapshot in") && none.err.contains("failstop snapshot take"),
        "{}",
        none.err
    );
    let none = folder.run(&["snapshot", "show", "2026-11-06"]).ends(2);
    assert!(none.err.contains("there is no snapshot 2026-11-06"), "{}", none.err);
    folder.run(&["orders", "list"]).ends(3);
    folder.run(&["snapshot", "take"]).ends(3);
    folder.run(&["orders", "resolve", "o-1", "--outcome", "filled", "--reason", "seen"]).ends(3);
}

#[test]
fn what_cannot_be_understood_is_usage_and_asks_no_engine() {
    let folder = Folder::with_system();
    folder.run(&["orders", "resolve", "o-1", "--outcome", "unknown", "--reason", "x"]).ends(2);
    folder.run(&["orders", "resolve", "o-1", "--outcome", "filled", "--reason", " "]).ends(2);
    folder.run(&["import", "absent.csv"]).ends(3);
    folder.write("bad.csv", "account,total\nk,1\n");
    let bad = folder.run(&["import", "bad.csv"]).ends(2);
    assert!(
        bad.err.contains("line 1: the first line must name the columns")
            && bad.err.contains("nothing of it was imported"),
        "{}",
        bad.err
    );
    folder.write("number.json", "{\"account\":\"k\",\"balances\":[{\"asset\":\"USDT\",\"total\":1.5}]}");
    let bad = folder.run(&["import", "number.json"]).ends(2);
    assert!(bad.err.contains("an amount goes as a text"), "{}", bad.err);
    // A good one finds no engine.
    folder.write("good.csv", "account,asset,total\nk,USDT,1\n");
    folder.run(&["import", "good.csv"]).ends(3);
}
