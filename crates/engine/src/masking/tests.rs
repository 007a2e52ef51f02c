//! Published addresses of each kind, ids that are none, and texts made of both at random.

use super::*;
use proptest::prelude::*;

/// Addresses that documentation and test vectors have published.
const ADDRESSES: &[&str] = &[
    // EVM: in mixed case, in small letters.
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359",
    // Bitcoin: pay to key hash, to script hash, segregated witness, taproot; capitals.
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
    // Tron: USDT's contract.
    "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    // XRP: genesis.
    "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
    // Solana: the token program, and wrapped SOL.
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "So11111111111111111111111111111111111111112",
];

/// Keys that documentation has published.
const KEYS: &[&str] = &[
    "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
    "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn",
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    "snoPBrXtMeMyMHUVTgbuqAfg1SUTb",
    "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
    // Solana: the first key of RFC 8032's test vectors as wallets export it.
    "49W385L4rePHy6PAaQUovbD2aacgN4HsKXSMeUzRg4fmwXszN91JuMFrQRj3vMDpZuRF3ZknQBuRBoWQJEfXstMw",
];

/// Ids of orders, records and requests as venues, libraries and failstop make them.
const IDS: &[&str] = &[
    "0x88df016429689c079f3b2f6ad39fa052532c56795b733da78a91ebe6a713944b",
    "9f2c41ab03d1e8779f2c41ab03d1e8779f2c41ab03d1e8779f2c41ab03d1e877",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "0xabcdefabcdefabcdefabcdefabcdefab",
    "550e8400-e29b-41d4-a716-446655440000",
    "550e8400e29b41d4a716446655440000",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "O5JF3K-2XQ7Z-PLM4T2",
    "12345678901234567890123456789012",
    "11111111111111111111111111111111",
    "1700000000000000000000000001",
    "x-cvBPrNm9a1b2c3d4e5f6a7b8c9d0e1f2",
    "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW",
    "demo/hung/bot/7-31",
    "x.failstop.control_unproved",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
];

fn shown(text: &str) -> String {
    covered(text.as_bytes()).map_or_else(|| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn last(address: &str) -> String {
    format!("…{}", &address[address.len() - SHOWN..])
}

#[test]
fn of_an_address_only_its_last_characters_are_shown() {
    for address in ADDRESSES {
        assert_eq!(shown(address), last(address));
        assert_eq!(shown(&format!("from {address}: sent")), format!("from {}: sent", last(address)));
        assert_eq!(
            shown(&format!("wallet_{address}, {address}")),
            format!("wallet_{}, {}", last(address), last(address))
        );
        let json = serde_json::json!({ "to": format!("a\n{address}\t{address}") }).to_string();
        assert!(!shown(&json).contains(address), "{}", shown(&json));
        assert!(serde_json::from_str::<serde_json::Value>(&shown(&json)).is_ok());
    }
}

#[test]
fn of_a_key_nothing_is_shown() {
    for key in KEYS {
        assert_eq!(shown(key), COVER, "{key}");
        assert_eq!(shown(&format!("key={key} ")), format!("key={COVER} "));
    }
}

/// Colour codes and other escapes, raw and as texts write them.
const ESCAPES: &[&str] = &[
    "\x1b[32m",
    "\x1b[1;32m",
    "\x1b[0m",
    "\x1b[m",
    "\x1b[38;5;208m",
    "\x1b[38:2::1:2:3m",
    "\x1b[38;2;255;255;255;48;2;255;255;255m",
    "\x1b[1m\x1b[32m",
    "\x1b[2K",
    "\x1bM",
    "\\u001b[32m",
    "\\u001B[0m",
    "\\x1b[1;32m",
    "\\u{1b}[32m",
    "\\033[32m",
    "\\e[32m",
    "^[[32m",
    "\u{fffd}[32m",
    "\\u0007",
    "\\x07",
    "\\n",
];

#[test]
fn an_escape_uncovers_nothing() {
    for escape in ESCAPES {
        for address in ADDRESSES {
            let (around, wanted) = (format!("to {escape}{address}{escape}."), last(address));
            assert_eq!(shown(&around), format!("to {escape}{wanted}{escape}."));
        }
        for key in KEYS {
            assert_eq!(shown(&format!("{escape}{key}{escape}")), format!("{escape}{COVER}{escape}"));
        }
        for id in IDS {
            let text = format!("{escape}{id}{escape}");
            assert_eq!(shown(&text), text);
        }
    }
    for word in ADDRESSES.iter().chain(KEYS) {
        let json = serde_json::json!({ "to": format!("\x1b[1;32m{word}\x1b[0m") }).to_string();
        let covered = shown(&json);
        assert!(!covered.contains(word), "{covered}");
        assert!(serde_json::from_str::<serde_json::Value>(&covered).is_ok(), "{covered}");
    }
}

#[test]
fn what_is_cut_was_covered_before() {
    for (address, most) in ADDRESSES.iter().flat_map(|address| (0..60).map(move |most| (address, most))) {
        let said = shortened(&format!("at \x1b[32m{address}\x1b[0m"), most);
        let (begins, _) = address.split_at(SHOWN + 1);
        assert!(!said.contains(begins), "{said}");
    }
    assert_eq!(shortened("four", 4), "four");
    assert_eq!(shortened("fou\nr", 4), "fou\\...");
}

#[test]
fn ids_keep_every_character() {
    for id in IDS {
        assert_eq!(shown(id), *id);
        assert_eq!(shown(&format!("order {id} \\{id}")), format!("order {id} \\{id}"));
    }
    // One character that is not as it was written: the check sum says that it is none.
    for address in ADDRESSES.iter().filter(|address| !address.starts_with("0x") && address.len() < 43) {
        let other = if address.ends_with('2') { '3' } else { '2' };
        let changed = format!("{}{other}", &address[..address.len() - 1]);
        assert_eq!(shown(&changed), changed);
    }
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let mut line = b"\xff\xfe ".to_vec();
    line.extend_from_slice(ADDRESSES[0].as_bytes());
    line.extend_from_slice(b"\xff");
    let wanted = [b"\xff\xfe ", last(ADDRESSES[0]).as_bytes(), b"\xff"].concat();
    assert_eq!(covered(&line), Some(wanted));
    assert_eq!(covered(b"\xff plain"), None);
    assert_eq!(covered(b""), None);
}

/// A piece of a text, and how it is to be shown.
fn piece() -> impl Strategy<Value = (String, String)> {
    let same = |text: String| (text.clone(), text);
    prop_oneof![
        prop::sample::select(ADDRESSES).prop_map(|address| (address.to_owned(), last(address))),
        prop::sample::select(KEYS).prop_map(|key| (key.to_owned(), COVER.to_owned())),
        prop::sample::select(IDS).prop_map(|id| (id.to_owned(), id.to_owned())),
        "[a-zé]{0,12}".prop_map(same),
        "[0-9a-f]{64}".prop_map(same),
        "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}".prop_map(same),
        "[0-9]{1,30}".prop_map(same),
    ]
}

/// What stands between two pieces.
fn gap() -> impl Strategy<Value = String> {
    prop_oneof!["[ ,:;/=\"'\\[\\]{}()…é]{1,3}", prop::sample::select(ESCAPES).prop_map(str::to_owned)]
}

proptest! {
    #[test]
    fn what_is_no_address_is_as_it_was_and_no_address_is_left(
        pieces in prop::collection::vec((piece(), gap()), 0..12),
    ) {
        let text: String = pieces.iter().map(|((text, _), gap)| format!("{text}{gap}")).collect();
        let wanted: String = pieces.iter().map(|((_, shown), gap)| format!("{shown}{gap}")).collect();
        prop_assert_eq!(shown(&text), wanted.clone());
        prop_assert_eq!(shown(&wanted), wanted, "once is enough");
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..400), word in "[0-9A-Za-z]{0,200}") {
        let _ = covered(&bytes);
        let out = covered(word.as_bytes()).unwrap_or_else(|| word.clone().into_bytes());
        prop_assert!(out.len() <= word.len());
    }
}
