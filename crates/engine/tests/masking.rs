//! The switch, in a process of its own: it is one for a whole process.

use failstop_engine::masking;

#[test]
fn whoever_wants_addresses_whole_has_them_and_can_have_them_covered_again() {
    let said = "paid 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    let covered = "paid …1BeAed";
    assert_eq!(masking::text(said), covered);
    masking::set(false);
    assert_eq!(masking::text(said), said);
    assert_eq!(masking::owned(said.to_owned()), said);
    assert_eq!(masking::lines(said.as_bytes().to_vec()), said.as_bytes());
    assert_eq!(masking::line(said.as_bytes()), said.as_bytes());
    masking::set(true);
    assert_eq!(masking::owned(said.to_owned()), covered);
    assert_eq!(masking::option(Some(said.to_owned())).as_deref(), Some(covered));
    assert_eq!(masking::lines(said.as_bytes().to_vec()), covered.as_bytes());
    assert_eq!(masking::line(said.as_bytes()), covered.as_bytes());
}
