//! What is found for what is typed.

mod support;

use catalog_search::Scored;
use support::{Fixture, document};

/// A small registry in which every query of these tests has something to be confused with.
fn registry() -> Fixture {
    let fixture = Fixture::new();
    fixture.add([
        document("react", "A library for building user interfaces"),
        document("@types/react", "TypeScript definitions for react"),
        document("react-query", "Fetching and caching of server state, now under another name"),
        document("@tanstack/react-query", "Hooks for fetching, caching and updating asynchronous data"),
        document("express", "Fast, unopinionated web framework"),
        document("express-session", "Simple session middleware"),
        document("left-pad", "Pads a string on its left"),
        document("lodash", "Utilities that make working with arrays easy"),
        document("md5HashSum", "Computes checksums of files"),
        document("cafe-menu", "Spécialités du café crème"),
        document("日本語解析", "形態素を解析する道具"),
    ]);
    fixture
}

#[test]
fn puts_the_exact_name_first() {
    let registry = registry();
    for name in ["react", "@types/react", "react-query", "express", "left-pad", "lodash"] {
        assert_eq!(registry.names(name)[0], name, "for {name}");
    }
    assert_eq!(registry.names("  LODASH ")[0], "lodash");
}

#[test]
fn finds_joined_split_and_camel_case_names() {
    let registry = registry();
    for query in ["reactquery", "react query", "reactQuery", "react_query", "React.Query"] {
        assert_eq!(registry.names(query)[0], "react-query", "for {query}");
        assert!(registry.names(query).contains(&"@tanstack/react-query".into()), "for {query}");
    }
    assert_eq!(registry.names("hash sum")[0], "md5HashSum");
    assert_eq!(registry.names("md5-hash-sum")[0], "md5HashSum");
    assert_eq!(registry.names("leftpad")[0], "left-pad");
}

#[test]
fn finds_scoped_names_with_and_without_their_scope() {
    let registry = registry();
    assert_eq!(registry.names("@tanstack/react-query")[0], "@tanstack/react-query");
    assert_eq!(registry.names("tanstack"), ["@tanstack/react-query"]);
}

#[test]
fn finds_names_by_their_beginning() {
    let registry = registry();
    assert!(registry.names("lod").contains(&"lodash".into()));
    assert!(registry.names("l").contains(&"lodash".into()));
    assert!(registry.names("expres").contains(&"express-session".into()));
    assert_eq!(registry.names("express ses")[0], "express-session");
}

#[test]
fn finds_mistyped_names() {
    let registry = registry();
    for (query, name) in [
        ("lodahs", "lodash"),                // two letters swapped
        ("lodsh", "lodash"),                 // one missing
        ("expresss", "express"),             // one too many
        ("left-bad", "left-pad"),            // one wrong
        ("expressesion", "express-session"), // two missing
    ] {
        assert_eq!(registry.names(query)[0], name, "for {query}");
    }
    assert!(registry.names("zzz").is_empty(), "three letters are too few to guess from");
}

/// All texts that are one typing error away.
fn mistyped(text: &str) -> impl Iterator<Item = String> {
    let letters: Vec<char> = text.chars().collect();
    (0..=letters.len()).flat_map(move |at| {
        let (before, after) = letters.split_at(at);
        let with = |middle: &[char], after: &[char]| [before, middle, after].concat().iter().collect();
        let mut texts: Vec<String> = ['a', 'm', 'z'].iter().map(|&letter| with(&[letter], after)).collect();
        if let [first, rest @ ..] = after {
            texts.push(with(&[], rest));
            texts.push(with(&[if *first == 'q' { 'w' } else { 'q' }], rest));
            if let [second, rest @ ..] = rest {
                texts.push(with(&[*second, *first], rest));
            }
        }
        texts
    })
}

#[test]
fn finds_names_wherever_the_errors_are() {
    for name in ["abcdefghij", "abcdefghijk"] {
        let fixture = Fixture::new();
        fixture.add([document(name, "")]);
        for once in mistyped(name) {
            assert_eq!(fixture.names(&once), [name], "{once}");
            let stored = document(name, "").scored;
            for twice in mistyped(&once) {
                // Two letters swapped, and one between them, are three errors.
                let scores = fixture.index.score(&twice, std::slice::from_ref(&stored)).expect("scored");
                assert_eq!(fixture.names(&twice).len(), usize::from(scores[0] > 0.0), "{twice}");
            }
        }
    }
}

#[test]
fn finds_words_of_descriptions_and_keywords() {
    let registry = registry();
    let mut with_keywords = document("tiny-http", "Small");
    with_keywords.scored.keywords = vec!["webserver".into(), "minimal".into()];
    registry.add([with_keywords]);
    assert_eq!(registry.names("middleware"), ["express-session"]);
    assert_eq!(registry.names("webserver"), ["tiny-http"]);
    assert_eq!(registry.names("caching hooks")[0], "@tanstack/react-query");
    assert_eq!(registry.names("a library for interfaces")[0], "react", "stop words are not required");
    assert_eq!(registry.names("asynchronus data")[0], "@tanstack/react-query", "one word mistyped");
}

#[test]
fn fills_up_with_documents_that_have_only_some_of_the_words() {
    let names = registry().names("session framework");
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"express".into()) && names.contains(&"express-session".into()));
}

#[test]
fn ignores_accents_on_either_side() {
    let registry = registry();
    assert_eq!(registry.names("specialites"), ["cafe-menu"]);
    assert_eq!(registry.names("crème"), ["cafe-menu"]);
    assert_eq!(registry.names("câfé-menu")[0], "cafe-menu");
}

#[test]
fn finds_parts_of_unspaced_scripts() {
    let registry = registry();
    assert_eq!(registry.names("日本語解析"), ["日本語解析"]);
    assert_eq!(registry.names("本語"), ["日本語解析"], "inside the name");
    assert_eq!(registry.names("形態素"), ["日本語解析"], "in the description");
    assert!(registry.names("中国").is_empty());
}

#[test]
fn shows_an_audience_only_its_documents() {
    let fixture = Fixture::new();
    let mut secret = document("ledger-core", "Bookkeeping");
    secret.audience = "private".into();
    fixture.add([document("ledger", "Bookkeeping"), secret]);
    assert_eq!(fixture.names_for("bookkeeping", Some("public")), ["ledger"]);
    assert_eq!(fixture.names_for("bookkeeping", Some("private")), ["ledger-core"]);
    assert_eq!(fixture.names_for("ledger-core", Some("public")), ["ledger"], "nor by exact name");
    assert_eq!(fixture.names("bookkeeping").len(), 2);
    assert!(fixture.names_for("bookkeeping", Some("nobody")).is_empty());
}

#[test]
fn filters_by_labels_and_takes_other_colons_for_text() {
    let fixture = Fixture::new();
    let labelled = |name, labels: &[&str]| {
        let mut document = document(name, "Parses things");
        document.scored.labels = labels.iter().map(|&label| label.into()).collect();
        document.scored.popularity = 10.0;
        document
    };
    let both = labelled("parser-a", &["type:npm", "license:MIT"]);
    let one = labelled("parser-b", &["type:pypi", "license:MIT"]);
    let none = labelled("node-fs", &[]);
    let id = format!("publisher:{}", "0f".repeat(32));
    let signed = labelled("signed", &[&id]);
    fixture.add([both, one, none, signed]);
    assert_eq!(fixture.names(&id), ["signed"], "longer than a word may be");
    assert_eq!(fixture.names("parser type:npm"), ["parser-a"]);
    assert_eq!(fixture.names("license:mit").len(), 2, "a filter alone");
    assert_eq!(fixture.names("type:pypi license:mit parsr"), ["parser-b"], "in every stage");
    assert!(fixture.names("type:npm type:pypi").is_empty(), "all must hold");
    assert_eq!(fixture.names("node:fs")[0], "node-fs");
    let candidate =
        |label: &str| Scored { name: "parser".into(), labels: vec![label.into()], ..Default::default() };
    let scores = fixture.index.score("parser type:npm", &[candidate("type:npm"), candidate("type:pypi")]);
    assert!(matches!(scores.as_deref(), Ok([passing, 0.0]) if *passing > 0.0), "{scores:?}");
}

#[test]
fn filters_by_the_day_of_publication() {
    const DAY_MS: f64 = 86_400_000.0;
    let fixture = Fixture::new();
    let published = |name, day: f64| {
        let mut document = document(name, "Parses things");
        document.scored.published = day * DAY_MS;
        document
    };
    // The first and the last day of 2020.
    let [first, last] = [("parser-first", 18_262.0), ("parser-last", 18_627.9)];
    fixture.add([published(first.0, first.1), published(last.0, last.1), published("parser-timeless", 0.0)]);
    let sorted = |query| {
        let mut names = fixture.names(query);
        names.sort();
        names
    };
    assert_eq!(sorted("parser after:2020"), ["parser-first", "parser-last"]);
    assert_eq!(sorted("parser after:2020-01-02 before:2021"), ["parser-last"]);
    assert_eq!(sorted("before:2020-12-31 after:2020"), ["parser-first"], "without words");
    assert_eq!(sorted("after:2021"), [""; 0]);
    assert_eq!(sorted("parser before:2020"), ["parser-timeless"]);
    let candidates = [published("parser", first.1).scored, published("parser", last.1).scored];
    let scores = fixture.index.score("parser before:2020-02", &candidates);
    assert!(matches!(scores.as_deref(), Ok([passing, 0.0]) if *passing > 0.0), "{scores:?}");
    for query in ["after:yesterday", "parser before:2020-13", "after:2020-01-01-01"] {
        assert_eq!(fixture.index.search(query, None, 10).expect_err("no date").code(), "SEARCH_QUERY");
    }
    assert_eq!(sorted("after:"), [""; 0], "text like any other");
}

#[test]
fn one_segment_answers_as_many_did() {
    let fixture = Fixture::new();
    for name in ["alpha-one", "alpha-two", "alpha-three"] {
        fixture.add([document(name, "")]);
    }
    let before = fixture.names("alpha");
    fixture.index.compact().expect("compacts");
    let mut after = fixture.names("alpha");
    assert_eq!((after.len(), fixture.index.count()), (3, 3));
    after.sort();
    assert_eq!(after, {
        let mut sorted = before;
        sorted.sort();
        sorted
    });
}

#[test]
fn returns_scores_in_descending_order_and_respects_the_limit() {
    let registry = registry();
    let hits = registry.hits("react", None, 100);
    assert!(hits.len() >= 3);
    assert!(hits.is_sorted_by(|a, b| a.1 >= b.1));
    assert_eq!(registry.hits("react", None, 2), hits[..2]);
}

#[test]
fn finds_nothing_for_a_query_without_words() {
    let registry = registry();
    for query in ["", "   ", "@/-", "…"] {
        assert!(registry.names(query).is_empty(), "for {query:?}");
    }
}

#[test]
fn refuses_queries_beyond_the_limits() {
    let registry = registry();
    let words = |n: usize| vec!["word"; n].join(" ");
    let long = "x".repeat(64);
    let too_long = [words(9), "x".repeat(65), [long.as_str(); 4].join(" ")];
    for query in &too_long {
        let error = registry.index.search(query, None, 10).expect_err("too long");
        assert_eq!(error.code(), "SEARCH_QUERY", "{error}");
    }
    for limit in [0, 101, usize::MAX] {
        let error = registry.index.search("react", None, limit).expect_err("limit out of bounds");
        assert_eq!(error.code(), "SEARCH_QUERY", "{error}");
    }
    for query in [words(8), long, "aB".repeat(32), "語".repeat(64), "a.".repeat(32)] {
        assert!(registry.index.search(&query, None, 100).is_ok(), "for {query}");
    }
}
