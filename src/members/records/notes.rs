//! What was lacking or left out while records became STAC documents, for admins: counted by kind, each with one example.

use std::collections::BTreeMap;

/// One kind of lack or loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    NoArea,
    NoTime,
    NoDescription,
    NoTerms,
    BoxLeftOut,
    TimeLeftOut,
    AddressLeftOut,
    IdChanged,
    IdClash,
    Twice,
    NotADataset,
}

impl Note {
    /// Completes "3 records: …".
    fn words(self) -> &'static str {
        match self {
            Self::NoArea => "no area is stated, so that the extent is open",
            Self::NoTime => "no time is stated, so that the extent is open",
            Self::NoDescription => "no abstract; the title stands for it",
            Self::NoTerms => "no licence or limitation of use is stated",
            Self::BoxLeftOut => "a box that is none is left out",
            Self::TimeLeftOut => "a time that cannot be read is left out",
            Self::AddressLeftOut => "an address that is none, or that could run a script, is left out",
            Self::IdChanged => "characters of the identifier are replaced by `_`",
            Self::IdClash => "the id has a suffix, since another record would have the same one",
            Self::Twice => "came more than once; the first is kept",
            Self::NotADataset => "no data set or series, left out",
        }
    }
}

/// Counts of notes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(BTreeMap<Note, (u32, String)>);

impl Notes {
    /// Counts a note of the record with this identifier.
    pub fn add(&mut self, note: Note, record: &str) {
        let entry = self.0.entry(note).or_insert_with(|| (0, record.chars().take(80).collect()));
        entry.0 += 1;
    }

    /// How often a note was made.
    #[cfg(test)]
    pub fn count(&self, note: Note) -> u32 {
        self.0.get(&note).map_or(0, |(count, _)| *count)
    }

    /// The counts of another part of the same harvest.
    pub fn merge(&mut self, other: Self) {
        for (note, (count, example)) in other.0 {
            self.0.entry(note).or_insert((0, example)).0 += count;
        }
    }

    /// One sentence for each kind.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |(note, (count, example)): (&Note, &(u32, String))| {
            let words = note.words();
            let records = if *count == 1 { "record" } else { "records" };
            format!("{count} {records}: {words}; the first is `{example}`")
        };
        self.0.iter().map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_counted_by_kind() {
        let mut notes = Notes::default();
        notes.add(Note::NoTime, "a");
        notes.add(Note::NoTime, "b");
        let mut more = Notes::default();
        more.add(Note::NoTime, "c");
        more.add(Note::IdClash, "d");
        notes.merge(more);
        assert_eq!((notes.count(Note::NoTime), notes.count(Note::NoArea)), (3, 0));
        assert_eq!(notes.sentences()[0], "3 records: no time is stated, so that the extent is open; the first is `a`");
        assert_eq!(notes.sentences().len(), 2);
    }
}
