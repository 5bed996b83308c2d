//! The difference that an addition makes to a file, as `diff -u` writes it. Pure.

use std::fmt::Write as _;

/// Lines shown before what is new.
const CONTEXT: usize = 3;

/// What `new` has behind all of `old`.
pub fn appended(file: &str, old: &str, new: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // without its line break, the last line of the old file is not the same line
    let same = if old.is_empty() || old.ends_with('\n') { before.len() } else { before.len() - 1 };
    let from = same.saturating_sub(CONTEXT);
    let mut text = format!("--- {file}\n+++ {file}\n");
    let (removed, added) = (before.len() - from, after.len() - from);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "@@ -{},{removed} +{},{added} @@", place(from, removed), place(from, added));
    for line in &before[from..same] {
        let _ = writeln!(text, " {line}");
    }
    for line in &before[same..] {
        let _ = writeln!(text, "-{line}\n\\ No newline at end of file");
    }
    for line in &after[same..] {
        let _ = writeln!(text, "+{line}");
    }
    text
}

/// The number of the first line; an empty range is named by the line before it.
fn place(from: usize, count: usize) -> usize {
    if count == 0 { from } else { from + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_comes_behind_the_last_lines() {
        let (old, new) = ("a\nb\nc\nd\n", "a\nb\nc\nd\n\nx\n");
        assert_eq!(appended("f", old, new), "--- f\n+++ f\n@@ -2,3 +2,5 @@\n b\n c\n d\n+\n+x\n");
        let unended = appended("f", "a\nb", "a\nb\nx\n");
        assert_eq!(unended, "--- f\n+++ f\n@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+x\n");
        assert_eq!(appended("f", "", "x\n"), "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+x\n");
    }
}
