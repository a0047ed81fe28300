//! The rules under `compare:`, handed to the core, which knows what they mean and what is wrong
//! with them.

use parallax_core::rule::{RuleSpec, Rules};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::error::{At, Problems};

/// The rules of one operation, compiled: first those under `defaults`, then its own.
pub(super) fn compile_rules(specs: &[&Spanned<Value>], problems: &mut Problems) -> Rules {
    let read = |spec: &&Spanned<Value>| {
        let at = At::from(spec.referenced);
        problems.take(at, serde_json::from_value::<RuleSpec>(spec.value.clone())).map(|spec| (at, spec))
    };
    let (mut places, mut rules): (Vec<At>, Vec<RuleSpec>) = specs.iter().filter_map(read).unzip();
    // One refusal at a time is told, so that each is left out in turn until the rest holds.
    loop {
        match Rules::compile(&rules) {
            Ok(compiled) => return compiled,
            Err(error) if error.index < rules.len() => {
                problems.add(places.remove(error.index), format!("`{}`: {}", error.at, error.message));
                rules.remove(error.index);
            }
            Err(error) => {
                places.iter().take(1).for_each(|at| problems.add(*at, error.to_string()));
                return Rules::default();
            }
        }
    }
}
