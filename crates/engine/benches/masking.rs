//! What looking for wallet addresses costs: a long line without any, one of words as long as an address, one full of addresses; beside
//! each, copying the line.

use failstop_engine::masking;
use std::hint::black_box;
use std::time::Instant;

const LINE: usize = 64 * 1024;
const ROUNDS: u32 = 2_000;

fn filled(piece: &str) -> Vec<u8> {
    piece.bytes().cycle().take(LINE).collect()
}

fn timed(mut round: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..ROUNDS).for_each(|_| round());
    begun.elapsed().as_secs_f64() / f64::from(ROUNDS)
}

fn main() {
    let lines = [
        ("prose", filled("2026-11-07 INFO order filled price=60123.5 quantity=0.01 at binance; ")),
        ("hashes", filled("0x88df016429689c079f3b2f6ad39fa052532c56795b733da78a91ebe6a713944b ")),
        ("addresses", filled("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed ")),
    ];
    println!("{:<10} {:>12} {:>12} {:>8}", "64 KiB of", "looked at", "copied", "ratio");
    for (name, line) in lines {
        let ours = timed(|| {
            black_box(masking::line(black_box(&line)));
        });
        let copied = timed(|| {
            black_box(black_box(&line).clone());
        });
        println!("{name:<10} {:>9.1} µs {:>9.1} µs {:>8.1}", ours * 1e6, copied * 1e6, ours / copied);
    }
}
