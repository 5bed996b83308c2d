//! `CASEI` and `ACCENTI`: a text without what makes no difference (clauses 7.3 and 7.4).

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;

/// The text folded for comparison without regard to case: each character in lower case, then upper, then lower.
///
/// The three steps bring together what Unicode's full case folding does (`Straße` and `STRASSE`, both small sigmas, the
/// long s). They differ from it in that the dotless `ı` becomes an `i`, and in a few characters without a pair in one
/// of the cases; never in that a text and its own upper or lower case come apart.
pub(super) fn without_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The text decomposed (Unicode's NFD) and without combining marks. The Japanese voicing marks stay, because without
/// them it is another letter (the standard recommends so), and so do marks that spell vowels in Indic scripts.
pub(super) fn without_accents(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let classes = CanonicalCombiningClassMapBorrowed::new();
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
    decomposed.chars().filter(|mark| !is_accent(classes.get_u8(*mark))).collect()
}

/// Canonical combining classes of marks that stand above, below or beside a letter, and of Hebrew, Arabic and Syriac points. Marks
/// of the other classes spell letters: overlays, nuktas, kana voicing, viramas, Thai, Lao, Telugu and Tibetan vowels.
fn is_accent(class: u8) -> bool {
    matches!(class, 10..=36 | 200..=240)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_case_fold_to_one() {
        for (one, other) in [
            ("Straße", "STRASSE"),
            ("ẞ", "ss"),
            ("Οδος", "ΟΔΟΣ"),
            ("οδός", "ΟΔΌΣ"),
            ("ſ", "S"),
            ("K", "k"),
            ("ﬁ", "FI"),
            ("ŉ", "ʼN"),
            ("Ǆ", "ǆ"),
            ("ǅ", "ǆ"),
            ("ᾼ", "ᾳ"),
            ("İ", "i̇"),
            ("Sentinel-2", "SENTINEL-2"),
        ] {
            assert_eq!(without_case(one), without_case(other), "{one} {other}");
        }
        assert_ne!(without_case("a"), without_case("b"));
        assert_ne!(without_case("é"), without_case("e"));
    }

    #[test]
    fn every_character_folds_with_its_upper_and_lower_case() {
        for c in ('\0'..=char::MAX).filter(|c| c.is_alphabetic()) {
            let text = c.to_string();
            for cased in [text.to_uppercase(), c.to_lowercase().collect(), without_case(&text)] {
                assert_eq!(without_case(&text), without_case(&cased), "U+{:04X}", u32::from(c));
            }
        }
    }

    #[test]
    fn texts_that_differ_in_accents_become_one() {
        for (one, other) in [
            ("débárquér", "debarquer"),
            ("papá", "papa"),
            ("Ålesund", "Alesund"),
            ("A\u{30a}", "Å"),
            ("Tromsø", "Tromsø"),
            ("Việt", "Viet"),
            ("Ώ", "Ω"),
        ] {
            assert_eq!(without_accents(one), without_accents(other), "{one} {other}");
        }
        assert_ne!(without_accents("が"), without_accents("か"), "the voicing mark makes another letter");
        assert_eq!(without_accents("が"), without_accents("か\u{3099}"));
        assert_ne!(without_accents("É"), without_accents("e"));
        assert_ne!(without_accents("한"), without_accents("하"), "Hangul is decomposed, not shortened");
    }
}
