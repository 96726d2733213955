//! The masks of snapshots.

use camino::Utf8Path;

use crate::mask::mask;

fn masked(text: &str) -> String {
    mask(text, Utf8Path::new("/"))
}

#[test]
fn equal_ids_get_equal_numbers() {
    let (a, b) = ("a0".repeat(32), "b0".repeat(32));

    let text = masked(&format!("{a} {b} sha256:{a} name-{} {}", &b[..32], &b[..10]));

    assert_eq!(text, "[id 1] [id 2] sha256:[id 1] name-[id 2…] [id 2…]");
}

#[test]
fn keys_and_recipients_get_numbers() {
    let public = format!("MCowBQYDK2VwAyEA{}=", "x".repeat(43));
    let recipient = format!("age1{}", "q".repeat(58));

    let text = masked(&format!("\"{public}\" {recipient}, {public}"));

    assert_eq!(text, "\"[public key 1]\" [recipient 1], [public key 1]");
}

#[test]
fn times_of_today_are_masked_and_chosen_ones_stay() {
    let text = "2031-01-02T03:04:05Z 2015-01-02T03:04:05Z 2026-11-22T10:00:00Z 1925000000 42";

    assert_eq!(masked(text), "[time] 2015-01-02T03:04:05Z 2026-11-22T10:00:00Z [serial] 42");
}
