//! Chance that can be replayed.

/// `SplitMix64`: small, seeded, the same everywhere.
pub(in crate::search) struct Dice(pub(in crate::search) u64);

impl Dice {
    pub(in crate::search) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub(in crate::search) fn below(&mut self, most: u64) -> u64 {
        self.roll() % most.max(1)
    }
    pub(in crate::search) fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }
}
