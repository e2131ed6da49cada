//! The bytes on the wire, against the vectors that every implementation reads.

use catalog_transfer::{PeerId, Request, wire};
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/bulk.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let text = value.as_str().unwrap();
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    assert_eq!(text.len(), 2 * N);
    std::array::from_fn(byte)
}

#[test]
fn requests_and_heads() {
    for vector in list(&vectors(), "requests") {
        let request = Request {
            outline: vector["outline"].as_bool().unwrap(),
            data: vector["data"].as_bool().unwrap(),
            root: bytes(&vector["root"]),
            release: bytes(&vector["release"]),
            first: vector["first"].as_u64().unwrap() as u32,
            count: vector["count"].as_u64().unwrap() as u32,
        };
        let encoded = bytes(&vector["bytes"]);
        assert_eq!(request.encode(), encoded);
        assert_eq!(Request::decode(&encoded), Some(request));
        for reply in list(vector, "replies") {
            let size = reply["size"].as_u64().unwrap();
            let contents = &reply["contents"];
            let expected = contents["ids"].as_u64().zip(contents["bytes"].as_u64());
            assert_eq!(request.contents(size), expected, "{size} bytes");
            assert_eq!(wire::encode_head(size), bytes(&reply["head"]));
        }
    }
}

#[test]
fn malformed_requests() {
    for vector in list(&vectors(), "malformed") {
        assert_eq!(Request::decode(&bytes(&vector["bytes"])), None, "{}", vector["wrong"]);
    }
}

#[test]
fn statuses() {
    assert_eq!(wire::code_of(0), None);
    for vector in list(&vectors(), "statuses") {
        let status = vector["status"].as_u64().unwrap();
        let code = wire::code_of(status).unwrap();
        assert_eq!(code.name(), vector["code"]);
        assert!(u64::from(wire::status_of(code)) == status.min(6));
    }
}

#[test]
fn peers() {
    for vector in list(&vectors(), "peers") {
        let (peer, id) = (PeerId::new(bytes(&vector["key"])), vector["id"].as_str().unwrap());
        assert_eq!(peer.to_string(), id);
        assert_eq!(id.parse::<PeerId>().unwrap(), peer);
    }
    for wrong in ["", "12D3KooW", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", &"1".repeat(300)] {
        assert!(wrong.parse::<PeerId>().is_err(), "{wrong}");
    }
}
