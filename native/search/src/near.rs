//! Names a typing error or two away.
//!
//! An automaton that allows errors anywhere looks into everything that begins with any few letters: with two errors,
//! into most of the dictionary. But of two parts of a word one has at most half of the errors. So it is looked for
//! twice, from its beginning and from its end, each time with only half of the errors in the part that comes first.

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
    // One letter in the middle is in neither part, so that no two letters swapped are in both.
    let sides = [(forwards, text.to_owned(), chars / 2), (back, backwards(text), (chars - 1) / 2)];
    let side = |(field, text, first): (Field, String, usize)| -> (Occur, Box<dyn Query>) {
        let first = text.chars().take(first).collect();
        (Occur::Should, Box::new(NearFromOneSide { field, text, first, errors }))
    };
    Box::new(BooleanQuery::new(sides.map(side).into()))
}

/// Finds terms at most one error away from `text`, in a field that has them only forwards.
pub(crate) fn near_in(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(NearFromOneSide { field, text: text.to_owned(), first: String::new(), errors: 1 })
}

#[derive(Clone, Debug)]
struct NearFromOneSide {
    field: Field,
    text: String,
    /// The part that comes first; empty when errors may be anywhere.
    first: String,
    errors: u8,
}

impl Query for NearFromOneSide {
    fn weight(&self, _: EnableScoring<'_>) -> Result<Box<dyn Weight>> {
        let automaton = near_automaton(self.field, &self.text, &self.first, self.errors)?;
        Ok(Box::new(AutomatonWeight::new(self.field, automaton)))
    }
}

/// Accepts terms at most `errors` away, of which at most half are in the part that comes first.
pub(crate) fn near_automaton(field: Field, text: &str, first: &str, errors: u8) -> Result<Near> {
    let term = |text: &str| Term::from_field_text(field, text);
    let whole = FuzzyTermQuery::new(term(text), errors, true).automaton()?;
    let first = FuzzyTermQuery::new_prefix(term(first), errors / 2, true).automaton()?;
    Ok(Near { whole, first, is_ascii: text.is_ascii() })
}

/// What both automata accept.
pub(crate) struct Near {
    whole: DfaWrapper,
    first: DfaWrapper,
    /// Nobody types a letter of another script by mistake, and there are thousands of them to look into.
    is_ascii: bool,
}

impl Automaton for Near {
    /// `None` where nothing can match any more.
    type State = Option<(u32, u32)>;

    fn start(&self) -> Self::State {
        Some((self.whole.start(), self.first.start()))
    }

    fn is_match(&self, state: &Self::State) -> bool {
        state.is_some_and(|(whole, first)| self.whole.is_match(&whole) && self.first.is_match(&first))
    }

    fn can_match(&self, state: &Self::State) -> bool {
        state.is_some()
    }

    fn accept(&self, state: &Self::State, byte: u8) -> Self::State {
        let &(whole, first) = state.as_ref()?;
        let next = (self.whole.accept(&whole, byte), self.first.accept(&first, byte));
        let goes_on = self.whole.can_match(&next.0) && self.first.can_match(&next.1);
        (goes_on && (byte.is_ascii() || !self.is_ascii)).then_some(next)
    }
}
