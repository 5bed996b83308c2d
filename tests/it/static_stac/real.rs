//! The catalogue of Copernicus Marine, as far as it is at hand.
