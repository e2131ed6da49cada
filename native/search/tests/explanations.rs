//! Why something ranks, where the query is in it, what may have been meant, and how names go on.

mod support;

use catalog_search::{Explanation, Match, Scored};
use support::{Fixture, document, unpack};

fn registry() -> Fixture {
    let fixture = Fixture::new();
    fixture.add([
        document("react", "A library for building user interfaces"),
        document("react-dom", "React for the browser"),
        document("left-pad", "Pads a string on its left"),
        document("@tanstack/react-query", "Hooks for fetching data"),
    ]);
    fixture
}

fn explained(Fixture { index, .. }: &Fixture, query: &str, name: &str, description: &str) -> Explanation {
    let candidate = Scored { popularity: 1_000.0, ..document(name, description).scored };
    let explained = index.explain(query, std::slice::from_ref(&candidate)).expect("explained").remove(0);
    let scores = index.score(query, &[candidate]).expect("scored");
    assert_eq!(scores, [explained.score], "there is one judge");
    assert_eq!(explained.matched + explained.popularity, explained.score);
    explained
}

/// The marked parts of a text.
fn marked(text: &str, ranges: &[std::ops::Range<usize>]) -> Vec<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    ranges.iter().map(|range| String::from_utf16(&units[range.clone()]).expect("whole characters")).collect()
}

#[test]
fn names_the_kind_of_match_and_its_words() {
    let registry = registry();
    for (query, name, description, found, words, near) in [
        ("react", "react", "", Match::ExactName, "react", ""),
        ("react-query", "@tanstack/react-query", "", Match::ExactName, "react query", ""),
        ("reac", "react-dom", "", Match::NameBegins, "reac", ""),
        ("hooks data", "x", "Hooks for fetching data", Match::AllWords, "hooks data", ""),
        ("reakt", "react", "", Match::NearName, "", "reakt"),
        ("hooks dxta fetchin", "x", "Hooks for fetching data", Match::AnyWord, "hooks", "fetchin"),
        ("hooks fetchin", "x", "Hooks for fetching data", Match::NearWords, "hooks", "fetchin"),
        ("type:npm", "x", "", Match::Filters, "", ""),
        ("lodash", "react", "", Match::Nothing, "", ""),
        ("type:pypi react", "react", "", Match::Nothing, "", ""),
    ] {
        let explained = explained(&registry, query, name, description);
        assert_eq!(explained.found, found, "{query}");
        assert_eq!(explained.words.join(" "), words, "{query}");
        assert_eq!(explained.near.join(" "), near, "{query}");
        assert_eq!(explained.popularity > 0.0, found != Match::Nothing, "{query}");
    }
}

#[test]
fn marks_what_matches() {
    let registry = registry();
    for (query, name, description, in_name, in_description) in [
        ("react", "react-dom", "React for the browser", "react", "React"),
        ("reac", "react-dom", "React", "reac", ""),
        ("reactq", "@tanstack/react-query", "", "react-q", ""),
        ("tanstackre", "@tanstack/react-query", "", "@tanstack/re", ""),
        ("leftpda", "left-pad", "On its left", "left-pad", ""),
        ("query", "reactQuery", "", "Query", ""),
        ("hooks fetchin", "x", "Hooks 😀 fetching, and hooks", "", "Hooks|fetching|hooks"),
        ("creme cafe", "x", "Le café, la crème", "", "café|crème"),
        ("日本 解析", "日本語ノ解析", "形態素", "日本|解析", ""),
        ("type:npm", "x", "npm", "", ""),
    ] {
        let explained = explained(&registry, query, name, description);
        assert_eq!(marked(name, &explained.name).join("|"), in_name, "{query}");
        assert_eq!(marked(description, &explained.description).join("|"), in_description, "{query}");
    }
}

#[test]
fn marks_any_text_at_whole_characters() {
    let registry = registry();
    for text in ["e\u{301}e\u{301}", "ﬁﬁ½", "😀a😀", "İi", "\u{300}\u{300}", "日\u{3099}本", "", "ẞß"]
    {
        for query in ["e", "fi", "a", "i", "1", "日", "ss", "éé", "fifi1"] {
            let explained = explained(&registry, query, text, text);
            marked(text, &explained.name);
            marked(text, &explained.description);
        }
    }
}

#[test]
fn suggests_words_that_find_something() {
    let registry = registry();
    let suggested = |query| registry.index.suggest(query, Some("public")).expect("a valid query");
    assert_eq!(suggested("hoks dtaa").as_deref(), Some("hooks data"));
    assert_eq!(suggested("letfpda").as_deref(), Some("leftpad"));
    assert_eq!(suggested("type:npm hoks dtaa").as_deref(), Some("type:npm hooks data"));
    assert_eq!(suggested("type:pypi hoks dtaa"), None, "the filter lets nothing pass");
    assert_eq!(suggested("hooks browser"), None, "no document has both");
    for query in ["", "zz", "qqqqqqqq", "type:npm"] {
        assert_eq!(suggested(query), None, "{query}");
    }
}

#[test]
fn neither_suggests_nor_completes_what_an_audience_does_not_see() {
    let registry = registry();
    let mut secret = document("lodestone", "Undisclosed bearings");
    secret.audience = "private".into();
    registry.add([secret]);
    for query in ["lodesnote", "bearnigss", "undsiclosedd"] {
        assert_eq!(registry.index.suggest(query, Some("public")).expect("valid"), None, "{query}");
        assert!(registry.index.suggest(query, Some("private")).expect("valid").is_some(), "{query}");
    }
    let completed = |audience| registry.index.complete("lode", "", Some(audience), 10).expect("valid");
    assert_eq!(unpack(&completed("private")).len(), 1);
    assert!(unpack(&completed("public")).is_empty());
}

#[test]
fn completes_names_by_popularity_and_length() {
    let fixture = registry();
    let mut popular = document("react-native", "");
    popular.scored.popularity = 5_000.0;
    fixture.add([popular, document("JSONStream", "")]);
    let completed = |beginning, filters, limit| -> Vec<String> {
        let packed = fixture.index.complete(beginning, filters, None, limit).expect("valid");
        unpack(&packed).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(completed("react", "", 10), ["react-native", "react", "react-dom"]);
    assert_eq!(completed("react", "", 2), ["react-native", "react"]);
    assert_eq!(completed("react-", "", 10), ["react-native", "react-dom"], "letter for letter");
    assert_eq!(completed("@TanStack/r", "", 10), ["@tanstack/react-query"]);
    assert_eq!(completed("json", "", 10), ["JSONStream"]);
    assert_eq!(completed("", "", 10).len(), 6);
    assert_eq!(completed("react", "type:pypi", 10), [""; 0]);
    assert_eq!(completed("nothing", "", 10), [""; 0]);
    for (beginning, filters, limit) in [(&*"x".repeat(257), "", 1), ("x", "", 0), ("x", "after:x", 1)] {
        let error = fixture.index.complete(beginning, filters, None, limit).expect_err("beyond the limits");
        assert_eq!(error.code(), "SEARCH_QUERY");
    }
}
