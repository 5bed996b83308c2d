//! What goes wrong at members, as switches: the catalogue of `reliability.md` section 3, F1 to F22 and those beside it.

/// What an answer comes to while a fault is on, if it is the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is missing.
    Whole,
    /// What is missing is declared, and is there on another try once the fault is over.
    Declared,
    /// What is missing is declared, and another try does not help.
    Lasting,
    /// The member misleads in a way that nobody can see: of its Items, and of no other's, some may be missing unsaid.
    Unseen,
}

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident => $effect:ident,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $($(#[doc = $doc])+ $name,)* }

        impl Fault {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            pub fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)* }
            }

            /// The sentence that says what it is.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)* }
            }
        }
    };
}

faults! {
    /// F1: each later page begins with the last Item of the page before.
    RepeatedItems => Whole,
    /// F2: with `sortby`, each later page begins with half of the page before.
    RepeatedItemsSorted => Whole,
    /// F3: there is no `next`, though the list goes on.
    NextMissing => Unseen,
    /// F4: every later page is page 1.
    LaterPagesAreFirst => Lasting,
    /// F5: `next` answers 500.
    NextAnswers500 => Declared,
    /// F6: down for twenty seconds of every minute.
    DownByTheHour => Declared,
    /// F6: a search takes fourteen seconds.
    FourteenSeconds => Declared,
    /// F7: no page is larger than three Items, whatever is asked for.
    UnannouncedCap => Declared,
    /// F8: the `next` link grows page by page.
    GrowingNext => Declared,
    /// F9: `next` names a host inside.
    InternalHostInNext => Whole,
    /// F10: `next` has lost the prefix of its path.
    PrefixLost => Whole,
    /// F10: `next` has the prefix of its path twice.
    PrefixDoubled => Whole,
    /// F10: the scheme of `next` is two schemes.
    SchemeMalformed => Whole,
    /// F11: POST searches work, POST of `next` is 405.
    PostNext405 => Declared,
    /// F12: with `sortby`, `next` forgets its place and leads to the second page for ever.
    NextLostWithSortby => Lasting,
    /// F13: no `next` when `fields` leaves the sort field out.
    NextLostWithFields => Whole,
    /// F14: a token that names an Item without `datetime` answers 500.
    NullDatetimeToken => Declared,
    /// F15: Items of one time come in another order for every search.
    NoTieBreaker => Whole,
    /// F16: a token names an Item that is gone, and is refused.
    TokenRefused => Declared,
    /// F17: 500 for pages of more than four Items.
    LargePage500 => Declared,
    /// F17: 413 for pages of more than twelve Items.
    LargePage413 => Declared,
    /// F18: 504 for searches without a time.
    WideQuery504 => Declared,
    /// F19: the last page has a `next`, which leads to an empty one.
    TrailingEmptyPage => Whole,
    /// F20: an HTML page instead of an answer, with 200.
    HtmlPage => Declared,
    /// F20: the right answer with a wrong media type.
    WrongMediaType => Whole,
    /// F21: the list of Collections is cut at a hundred.
    CollectionsCut => Whole,
    /// F22: times with two `Z`, or without an offset.
    MalformedTimes => Unseen,
    /// Two seconds more for everything.
    Latency => Whole,
    /// Nobody listens.
    ConnectionRefused => Declared,
    /// A connection does not come.
    ConnectHangs => Declared,
    /// The name is not found.
    NameFailure => Declared,
    /// The certificate is no good.
    TlsFailure => Declared,
    /// The connection ends before an answer begins.
    Reset => Declared,
    /// Nothing is answered.
    Hang => Declared,
    /// The first byte comes after nine seconds.
    FirstByteLate => Declared,
    /// Two kilobytes a second.
    Bandwidth => Declared,
    /// One byte a second.
    Drip => Declared,
    /// The body is there, and does not end.
    SlowClose => Declared,
    /// The connection ends in the body.
    ResetInBody => Declared,
    /// The body ends before its end.
    CutBody => Declared,
    /// The body comes in pieces of seven bytes.
    SlicedBody => Whole,
    /// The body goes on for ever.
    EndlessBody => Lasting,
    /// An answer without a body.
    EmptyBody => Declared,
    /// A document of another kind.
    AnotherDocument => Declared,
    /// Headers of forty kilobytes.
    LargeHeaders => Lasting,
    /// 401.
    Status401 => Lasting,
    /// 403.
    Status403 => Lasting,
    /// 429 with `Retry-After`.
    Status429 => Declared,
    /// 500.
    Status500 => Declared,
    /// 502.
    Status502 => Declared,
    /// 503 without a word.
    Status503 => Declared,
    /// 503 with `Retry-After`.
    Status503Pause => Declared,
    /// A redirect to another host.
    Redirect => Declared,
    /// Every other request is answered with 500.
    Flapping => Declared,
    /// Two of every three requests are answered with 503.
    Stumbling => Declared,
    /// Gone for a second of every five.
    Restarts => Declared,
    /// A later Item stands before an earlier one.
    OrderInverted => Unseen,
    /// Items of one time are turned round on a page.
    TieInverted => Whole,
    /// Ids are ordered without regard to case.
    CollationNotBytes => Unseen,
    /// Items without `datetime` come first.
    NullsFirst => Unseen,
    /// Times are ordered in single precision.
    SinglePrecision => Unseen,
    /// The member knows times rounded up to the second.
    TimesRoundedUp => Unseen,
    /// The member knows times rounded down to the second.
    TimesRoundedDown => Unseen,
    /// Times are written and known in whole seconds.
    TimesInSeconds => Unseen,
    /// Tokens are good for three seconds.
    TokenExpires => Declared,
    /// Tokens of three kilobytes.
    HugeToken => Declared,
    /// Empty pages that each lead to another one.
    EmptyPagesForEver => Lasting,
    /// The largest page changes from request to request.
    CapChanges => Unseen,
    /// Fifty thousand Items of one time.
    HugeTie => Lasting,
    /// Items outside the interval that was asked for.
    WrongItems => Whole,
    /// Documents among the Items that are none.
    InvalidItems => Whole,
    /// A document among the Items that is nested without end.
    DeepItem => Whole,
    /// Counts that are not true.
    CountsLie => Whole,
    /// Items come while the search goes on.
    Inserts => Whole,
    /// Items go while the search goes on.
    Deletes => Whole,
    /// The broker's clock goes ten minutes ahead from one page to the next.
    ClockAhead => Whole,
    /// The broker's clock goes ten minutes back.
    ClockBehind => Whole,
    /// The federation is reloaded between two pages.
    Reload => Whole,
    /// The member is taken out of the federation between two pages.
    MemberLeaves => Lasting,
    /// A member is added between two pages.
    MemberJoins => Whole,
    /// Another key seals cursors, and the one before still opens them.
    KeyRotation => Whole,
}

impl Fault {
    /// Whether it happens to the broker, not to a member's answers.
    pub fn is_of_the_broker(self) -> bool {
        matches!(
            self,
            Self::ClockAhead
                | Self::ClockBehind
                | Self::Reload
                | Self::MemberLeaves
                | Self::MemberJoins
                | Self::KeyRotation
        )
    }

    /// Whether a list under it is not the same when it is read again, so that a place in it, or reading it to its end,
    /// may repeat or lose Items where the member does not sort (A4, A5).
    pub fn shifts(self) -> bool {
        matches!(
            self,
            Self::RepeatedItems
                | Self::RepeatedItemsSorted
                | Self::LaterPagesAreFirst
                | Self::EmptyPagesForEver
                | Self::NoTieBreaker
                | Self::Inserts
                | Self::Deletes
                | Self::UnannouncedCap
                | Self::LargePage413
        )
    }
}

#[test]
fn the_catalogue_has_at_least_forty_kinds_and_each_says_what_it_is() {
    assert!(Fault::ALL.len() >= 40, "{}", Fault::ALL.len());
    let mut sentences: Vec<&str> = Fault::ALL.iter().map(|fault| fault.meaning()).collect();
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(sentences.len(), Fault::ALL.len(), "each of its own");
    for number in 1..=22 {
        let name = format!(" F{number}:");
        assert!(Fault::ALL.iter().any(|fault| fault.meaning().starts_with(&name)), "F{number}");
    }
}
