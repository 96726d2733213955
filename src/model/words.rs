//! Lists and counts, as messages and reports write them.

/// Returns the first items and the number of the others: "a, b and 7 more".
pub fn first_of(shown: usize, items: &[String], separator: &str) -> String {
    let first = items[..items.len().min(shown)].join(separator);
    match items.len().saturating_sub(shown) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Returns "1 error", "2 errors".
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
