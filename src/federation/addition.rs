//! A member added to the text of a federation file: what stands there stays byte for byte.
//!
//! Tables of an array need not stand together in TOML, so the member goes to the end of the file and nothing before it
//! is touched. Pure; whether the new text is right is for `load_text` to say.

use std::fmt::Write as _;

/// A member to be written, and what its admin may want to know or decide.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Addition {
    pub id: String,
    pub title: Option<String>,
    /// As the file names kinds.
    pub kind: String,
    pub url: String,
    pub internal: bool,
    /// What was found out, a sentence each, above the member.
    pub remarks: Vec<String>,
    /// Lines of `[member.…]` tables, by table: `(table, line, in effect)`; others are written as comments.
    pub settings: Vec<Setting>,
}

/// One line below the member.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// For example `request`; `[policy.retention]` is an array of tables.
    pub table: Table,
    /// For example `page_items_max = 50`.
    pub line: String,
    /// Why, behind the line.
    pub why: String,
    /// False: a comment, for the admin to decide.
    pub in_effect: bool,
}

/// The tables of a member that an addition knows, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Request,
    Capabilities,
    Policy,
    Retention,
    Processes,
}

impl Table {
    const ALL: [Self; 5] = [Self::Request, Self::Capabilities, Self::Policy, Self::Retention, Self::Processes];

    fn head(self) -> &'static str {
        match self {
            Self::Request => "[member.request]",
            Self::Capabilities => "[member.capabilities]",
            Self::Policy => "[member.policy]",
            Self::Retention => "[[member.policy.retention]]",
            Self::Processes => "[member.processes]",
        }
    }
}

impl Addition {
    /// The text of the member.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for remark in &self.remarks {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# {}", line_of(remark));
        }
        let _ = writeln!(text, "[[member]]\nid = {}", quoted(&self.id));
        if let Some(title) = &self.title {
            let _ = writeln!(text, "title = {}", quoted(title));
        }
        let _ = writeln!(text, "kind = {}\nurl = {}", quoted(&self.kind), quoted(&self.url));
        if self.internal {
            let _ = writeln!(text, "internal = true");
        }
        for table in Table::ALL {
            let lines: Vec<&Setting> = self.settings.iter().filter(|setting| setting.table == table).collect();
            if lines.is_empty() {
                continue;
            }
            let live = lines.iter().any(|setting| setting.in_effect);
            let _ = writeln!(text, "\n{}{}", if live { "" } else { "# " }, table.head());
            for Setting { line, why, in_effect, .. } in lines {
                let mark = if *in_effect { "" } else { "# " };
                let gap = if why.is_empty() { String::new() } else { format!("   # {}", line_of(why)) };
                let _ = writeln!(text, "{mark}{}{gap}", line_of(line));
            }
        }
        text
    }

    /// The file with the member behind everything else, in the file's own line ends.
    #[must_use]
    pub fn to(&self, file: &str) -> String {
        let end = if file.contains("\r\n") { "\r\n" } else { "\n" };
        let mut whole = file.to_owned();
        if !whole.is_empty() {
            if !whole.ends_with('\n') {
                whole.push_str(end);
            }
            whole.push_str(end);
        }
        whole + &self.to_text().replace('\n', end)
    }
}

/// One line, whatever is in it: a line break would end a comment.
fn line_of(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text as a basic string of TOML.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addition() -> Addition {
        let setting = |table, line: &str, in_effect| Setting { table, line: line.into(), why: "why".into(), in_effect };
        Addition {
            id: "NORTH".into(),
            title: Some("a \"quoted\"\nname".into()),
            kind: "stac-api".into(),
            url: "https://n.example".into(),
            remarks: vec!["found\n[injected]".into()],
            settings: vec![
                setting(Table::Retention, "keep = \"P90D\"", false),
                setting(Table::Request, "page_items_max = 50", true),
                setting(Table::Request, "method = \"get\"", false),
            ],
            ..Addition::default()
        }
    }

    #[test]
    fn a_member_is_written_with_its_suggestions_as_comments() {
        let expected = "# found [injected]\n[[member]]\nid = \"NORTH\"\ntitle = \"a \\\"quoted\\\"\\u000Aname\"\nkind = \"stac-api\"\n\
            url = \"https://n.example\"\n\n[member.request]\npage_items_max = 50   # why\n# method = \"get\"   # why\n\n\
            # [[member.policy.retention]]\n# keep = \"P90D\"   # why\n";
        assert_eq!(addition().to_text(), expected);
    }

    #[test]
    fn what_stands_in_the_file_stays_byte_for_byte() {
        for file in ["# one\n[federation]\nid='x'  # two", "a = 1\n\n\n# end\n", "a = 1\r\n# end\r\n", ""] {
            let whole = addition().to(file);
            assert!(whole.starts_with(file), "{whole}");
            assert_eq!(whole.contains("\r\n"), file.contains("\r\n"));
            assert!(!whole.contains("\r\r"));
            let parsed: toml::Table = whole.parse().unwrap();
            assert_eq!(parsed["member"][0]["title"].as_str(), Some("a \"quoted\"\nname"));
        }
    }
}
