//! Names a typing error or two away.
//!
//! An automaton that allows errors anywhere looks into everything that begins with any few letters: with two errors,
//! into most of the dictionary. But an error is in one part of a word, so that another part has none, or fewer: the
//! word is looked for several times, from its beginning and from its end, with fewer errors in what comes first.

use crate::text::backwards;
use tantivy::query::{
    AutomatonWeight, BooleanQuery, DfaWrapper, EnableScoring, FuzzyTermQuery, Occur, Query, Weight,
};
use tantivy::schema::Field;
use tantivy::{Result, Term};
use tantivy_fst::Automaton;

/// Finds terms at most `errors` away from `text`, in one field that has them and one that has them backwards.
pub(crate) fn near(forwards: Field, back: Field, text: &str, errors: u8) -> Box<dyn Query> {
    let chars = text.chars().count();
    // One letter between two parts is in neither, so that no two letters swapped are in both.
    let parts = match errors {
        1 => vec![(forwards, chars / 2, 0), (back, chars.saturating_sub(1) / 2, 0)],
        // None in the first part, or none in the last, or one in either, and so one in all that is before the last.
        _ => {
            let outer = chars * 2 / 5;
            vec![(forwards, outer, 0), (back, outer, 0), (forwards, chars.saturating_sub(1 + outer), 1)]
        }
    };
    let part = |(field, first, first_errors)| -> (Occur, Box<dyn Query>) {
        let text = if field == back { backwards(text) } else { text.to_owned() };
        let first = text.chars().take(first).collect();
        (Occur::Should, Box::new(Near { field, text, errors, first, first_errors }))
    };
    Box::new(BooleanQuery::new(parts.into_iter().map(part).collect()))
}

/// Finds terms at most one error away from `text`, in a field that has them only forwards.
pub(crate) fn near_in(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(Near { field, text: text.to_owned(), errors: 1, first: String::new(), first_errors: 1 })
}

#[derive(Clone, Debug)]
struct Near {
    field: Field,
    text: String,
    errors: u8,
    /// What comes first, and how many of the errors may be in it.
    first: String,
    first_errors: u8,
}

impl Query for Near {
    fn weight(&self, _: EnableScoring<'_>) -> Result<Box<dyn Weight>> {
        let term = |text: &str| Term::from_field_text(self.field, text);
        let whole = FuzzyTermQuery::new(term(&self.text), self.errors, true).automaton()?;
        let first = FuzzyTermQuery::new_prefix(term(&self.first), self.first_errors, true).automaton()?;
        let automaton = NearAutomaton { whole, first: Some(first), is_ascii: self.text.is_ascii() };
        Ok(Box::new(AutomatonWeight::new(self.field, automaton)))
    }
}

/// Accepts terms at most `errors` away.
pub(crate) fn near_automaton(field: Field, text: &str, errors: u8) -> Result<NearAutomaton> {
    let whole = FuzzyTermQuery::new(Term::from_field_text(field, text), errors, true).automaton()?;
    Ok(NearAutomaton { whole, first: None, is_ascii: text.is_ascii() })
}

/// What one automaton accepts, or what two do.
pub(crate) struct NearAutomaton {
    whole: DfaWrapper,
    first: Option<DfaWrapper>,
    /// Nobody types a letter of another script by mistake, and there are thousands of them to look into.
    is_ascii: bool,
}

impl Automaton for NearAutomaton {
    /// `None` where nothing can match any more.
    type State = Option<(u32, u32)>;

    fn start(&self) -> Self::State {
        Some((self.whole.start(), self.first.as_ref().map_or(0, DfaWrapper::start)))
    }

    fn is_match(&self, state: &Self::State) -> bool {
        state.is_some_and(|(whole, first)| {
            let all = self.first.as_ref().is_none_or(|automaton| automaton.is_match(&first));
            all && self.whole.is_match(&whole)
        })
    }

    fn can_match(&self, state: &Self::State) -> bool {
        state.is_some()
    }

    fn accept(&self, state: &Self::State, byte: u8) -> Self::State {
        let (mut whole, mut first) = (*state)?;
        whole = self.whole.accept(&whole, byte);
        let mut goes_on = (byte.is_ascii() || !self.is_ascii) && self.whole.can_match(&whole);
        if let Some(automaton) = &self.first {
            first = automaton.accept(&first, byte);
            goes_on &= automaton.can_match(&first);
        }
        goes_on.then_some((whole, first))
    }
}
