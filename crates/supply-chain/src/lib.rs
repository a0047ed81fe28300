//! What every dependency of parallax is held to: no known advisory that was not looked at, and no
//! licence that is not on the list. Both answers come from what is in the repository and on the
//! disk; nothing here reaches for the network, and nothing here is part of the program.

pub mod advisories;
pub mod licences;
