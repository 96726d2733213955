//! Values of the wrong type or form at every key of the schema: no message shows them.
//!
//! The keys are those of the schema, so that a new key is covered.

use std::collections::BTreeSet;

use relay_bundle::model::credential::sounds_secret;
use relay_bundle::profile::schema;
use serde_json::Value;

use super::leaks::{MARK, load, said};
use super::masked::mask;

/// A key of the schema, and how a profile sets it.
struct Place {
    /// The keys from the root; `[]` is an item of an array.
    path: Vec<&'static str>,
    /// A table with the key, whose value is `FORM`.
    text: String,
    is_in_secret: bool,
    /// Whether this key, one above it or one below it takes a secret.
    is_near_secret: bool,
}

impl Place {
    fn inside(&self, key: &'static str, value: &str) -> Self {
        let mut path = self.path.clone();
        path.push(key);
        let text = self.text.replace("FORM", value);
        let takes_secret = sounds_secret(key) || ["value", "valueFrom", "args"].contains(&key);
        let is_near_secret = takes_secret || self.is_in_secret;
        Self { path, text, is_in_secret: self.is_in_secret, is_near_secret }
    }

    /// Returns a profile, and an argument, that set the key to `form`.
    fn with(&self, form: &str) -> (String, String) {
        let table = self.text.replace("FORM", form);
        let line = &table["{ ".len()..table.len() - " }".len()];
        let (key, value) = line.split_once(" = ").expect("a table has a key");
        (format!("{line}\n"), format!("{key}={value}"))
    }

    /// Returns whether the value refers to a Secret or to another source of a variable.
    fn is_reference(&self) -> bool {
        self.path.iter().any(|key| *key == "valueFrom" || sounds_secret(key))
    }

    /// Returns whether a text is valid at `steps` inside this key, and not a secret.
    fn takes_text(&self, steps: &[&str]) -> bool {
        let path: Vec<&str> = self.path.iter().chain(steps).copied().collect();
        !self.is_in_secret && takes_text(schema::schema(), &path)
    }
}

fn takes_text(schema: &Value, path: &[&str]) -> bool {
    let schema = schema::resolve(schema);
    if forms(schema).any(|form| takes_text(form, path)) {
        return true;
    }
    match path.split_first() {
        None => schema["type"] == "string" || is_among(&schema["type"], "string"),
        Some((&"[]", rest)) => schema.get("items").is_some_and(|items| takes_text(items, rest)),
        Some((key, rest)) => {
            let own = schema.get("properties").and_then(|properties| properties.get(key));
            let any = schema.get("additionalProperties").filter(|schema| schema.is_object());
            own.or(any).is_some_and(|schema| takes_text(schema, rest))
        }
    }
}

fn is_among(types: &Value, name: &str) -> bool {
    types.as_array().is_some_and(|types| types.iter().any(|known| known == name))
}

fn forms(schema: &'_ Value) -> impl Iterator<Item = &'_ Value> {
    schema.get("anyOf").and_then(Value::as_array).into_iter().flatten()
}

/// Returns every key of the schema; the keys of a Kubernetes type only where it occurs first.
fn places() -> Vec<Place> {
    let mut places = Vec::new();
    let root = Place {
        path: Vec::new(),
        text: "FORM".to_owned(),
        is_in_secret: false,
        is_near_secret: false,
    };
    visit(schema::schema(), root, &mut BTreeSet::new(), &mut places);
    assert!(places.len() > 600, "{}", places.len());
    places
}

/// Adds a key and those below it; returns whether one of them takes a secret.
fn visit(
    schema: &'static Value,
    mut place: Place,
    seen: &mut BTreeSet<&'static str>,
    places: &mut Vec<Place>,
) -> bool {
    let name = schema::definition(schema);
    place.is_in_secret |= name == Some("Secret");
    place.is_near_secret |= place.is_in_secret;
    let schema = schema::resolve(schema);
    if name.is_none_or(|name| name == "Secret" || seen.insert(name)) {
        for (key, value, schema) in children(schema) {
            place.is_near_secret |= visit(schema, place.inside(key, &value), seen, places);
        }
    }
    let is_near_secret = place.is_near_secret;
    if !place.path.is_empty() {
        places.push(place);
    }
    is_near_secret
}

/// Returns each key or item of a schema with a value that contains it.
fn children(schema: &'static Value) -> Vec<(&'static str, String, &'static Value)> {
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let own = own.map(|(key, schema)| (key.as_str(), format!("{{ {key} = FORM }}"), schema));
    let any = schema.get("additionalProperties").filter(|schema| schema.is_object());
    let any = any.map(|schema| ("host", "{ host = FORM }".to_owned(), schema));
    let items = schema.get("items").map(|schema| ("[]", "[FORM]".to_owned(), schema));
    let inner = forms(schema).map(schema::resolve).flat_map(children);
    own.chain(any).chain(items).chain(inner).collect()
}

/// Values, each with the steps to the text in it.
const FORMS: [(&str, &[&str]); 6] = [
    ("\"qvzk1\"", &[]),
    ("'qvzk1 !'", &[]),
    ("[\"qvzk1\"]", &["[]"]),
    ("[[733137331], { a = \"qvzk1\" }]", &["[]", "a"]),
    ("{ a = { b = 73313.7331 }, name = \"qvzk1\" }", &["name"]),
    ("{ a = \"qvzk1\", enabled = 733137331 }", &["a"]),
];

/// Checks each place with each form, in a file and as an argument.
#[track_caller]
fn assert_silent_with<'a>(cases: impl Iterator<Item = (&'a Place, &'a str)>) {
    let mut leaks = Vec::new();
    for (place, form) in cases {
        let (text, set) = place.with(form);
        let loaded = [load(&text, &[]), load("", &[set.trim_end().to_owned()])];
        let said: String = loaded.iter().map(said).collect();
        if said.contains(MARK) || said.contains("73313") {
            leaks.push(text);
        }
    }
    assert!(leaks.is_empty(), "{} are shown:\n{}", leaks.len(), leaks.concat());
}

/// Returns whether a text is valid at these steps, or names a Secret or a key in it.
fn is_shown(place: &Place, form: &str, steps: &[&str]) -> bool {
    let path: Vec<&str> = place.path.iter().chain(steps).copied().collect();
    let is_name = path.ends_with(&["existing", "name"]) || path.ends_with(&["existing", "key"]);
    place.takes_text(steps) || is_name && !form.contains('!')
}

/// Returns the forms in which a value of this key is of the wrong type, or a secret.
fn wrong_forms(place: &Place) -> Vec<(&Place, &str)> {
    let wrong = FORMS.iter().filter(|(form, steps)| !is_shown(place, form, steps));
    wrong.map(|(form, _)| (place, *form)).collect()
}

#[test]
fn value_of_wrong_type_is_masked_at_any_key() {
    let mut leaks = Vec::new();
    for (place, form) in places().iter().flat_map(wrong_forms) {
        let (text, set) = place.with(form);
        let masked = mask(&text) + &mask(&set);
        if masked.contains(MARK) || masked.contains("73313") {
            leaks.push(text);
        }
    }
    assert!(leaks.is_empty(), "{} are shown:\n{}", leaks.len(), leaks.concat());
}

#[test]
fn value_of_wrong_type_near_secret_is_not_shown() {
    let places = places();
    let near: Vec<&Place> = places.iter().filter(|place| place.is_near_secret).collect();
    assert!(near.len() > 60, "{}", near.len());
    assert_silent_with(near.into_iter().flat_map(wrong_forms));
}

#[test]
fn value_of_wrong_type_elsewhere_is_not_shown() {
    let places = places();
    let far = places.iter().filter(|place| !place.is_near_secret);
    // One form of each key: they differ in the shown line, which another test covers.
    let one = |(index, place)| {
        let forms = wrong_forms(place);
        forms[index % forms.len()]
    };
    assert_silent_with(far.enumerate().map(one));
}

#[test]
fn name_of_wrong_form_in_reference_is_not_shown() {
    let places = places();
    let is_name = |place: &&Place| {
        let last = place.path.last().copied().unwrap_or_default();
        place.is_reference() && ["name", "key", "secretName"].contains(&last)
    };
    let names: Vec<&Place> = places.iter().filter(is_name).collect();
    assert!(names.len() > 8, "{}", names.len());
    assert_silent_with(names.into_iter().map(|place| (place, "'qvzk1 !'")));
}

#[test]
fn unknown_key_in_reference_is_not_shown() {
    const KEYS: [&str; 3] = ["{ qvzk1 = 1 }", "{ qvzk1 = \"qvzk2\" }", "[{ qvzk1 = 1 }]"];
    let places = places();
    let references = places.iter().filter(|place| place.is_reference());
    assert_silent_with(references.flat_map(|place| KEYS.map(|form| (place, form))));
}

#[test]
fn comment_on_shown_line_is_not_shown() {
    for text in [
        "config.port = 80 # jwtSecret = \"qvzk1\"",
        "config.logLevel = \"#\" # qvzk1",
        "config.logLevel = '''\n#\" ''' # qvzk1",
        "config = { \"#\" = \"#\", '#' = 1 } #qvzk1",
        "[config]# qvzk1\n\"#\" = 1 ## qvzk1",
        "[[extraEnv]] # qvzk1\nnmae = \"#\"# \" qvzk1",
        "# qvzk1\nreplicaCuont = 1 # qvzk2",
    ] {
        let said = said(&load(text, &[])) + &said(&load("", &[text.to_owned()]));
        assert!(!said.contains(MARK), "{text}\n{said}");
    }
}
