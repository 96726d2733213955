//! Strings survive `render::yaml`: this program's reader, two of Python's and kubectl read them
//! back unchanged.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/tools.rs"]
mod tools;

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use relay_bundle::render::yaml::to_yaml;
use serde_json::{Value, json};
use tools::{find, skip};

/// Strings that readers of YAML 1.1 or 1.2 interpret as a boolean, a number, a date, null, an
/// indicator or another document, and characters that only some readers take as line breaks.
const HOSTILE: [&str; 119] = [
    "",
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    " \n",
    "a\n",
    "a\n\n",
    "\na",
    " a",
    "a ",
    "a\tb",
    "\ta",
    "a\t",
    "a\n b\n",
    "  a\nb",
    "a\r",
    "a\r\nb",
    "\r",
    "y",
    "Y",
    "yes",
    "Yes",
    "YES",
    "n",
    "N",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "true",
    "True",
    "TRUE",
    "false",
    "False",
    "FALSE",
    "null",
    "Null",
    "NULL",
    "~",
    "=",
    "<<",
    "0",
    "-0",
    "+1",
    "1.",
    ".5",
    "1.0",
    "1e3",
    "1E+3",
    "1_000",
    "0x1F",
    "0X1F",
    "0o17",
    "017",
    "0b101",
    "1:30",
    "190:20:30",
    "190:20:30.15",
    ".inf",
    "-.Inf",
    "+.INF",
    ".nan",
    ".NaN",
    "NaN",
    "2026-11-22",
    "2026-11-22T10:00:00Z",
    "2026-11-22 10:00:00",
    "---",
    "--- a",
    "...",
    "# x",
    "a # b",
    "a #b",
    "#",
    "%YAML 1.1",
    "%",
    "@a",
    "`a`",
    "!tag",
    "!!str a",
    "&a",
    "*a",
    "*",
    "&",
    "|",
    "|-",
    ">",
    ">+",
    "- a",
    "-",
    "? a",
    "?",
    ": a",
    ":",
    "a: b",
    "a:",
    "{a: b}",
    "[a]",
    "a, b",
    "\"a\"",
    "'a'",
    "it's",
    "\"",
    "'",
    "\\",
    "\\n",
    "\u{1}\u{1f}\u{7f}",
    "a\u{85}b",
    "a\u{2028}b\u{2029}",
    "\u{feff}a",
    "\u{a0}",
    "🚀 👩‍👩‍👧 é ي 日本語",
];

/// Returns the hostile strings, some very long ones, and random ones.
fn strings(random: usize) -> Vec<String> {
    let long = [
        "word ".repeat(3000),
        "x".repeat(20_000),
        "a: b # c\n".repeat(2000),
        format!("{}: x", "k".repeat(1100)),
    ];
    let near = prop_oneof![
        any::<String>(),
        // Only a few significant characters, so that they often occur together.
        "[ \\t\\n\\r:#'\"\\\\|>%@`!&*?{}\\[\\],~=<.+_0-9xoeEyYnN-]{0,12}",
        "[\u{0}-\u{20}\u{7f}-\u{a0}\u{2028}\u{2029}\u{feff}a:#]{0,6}",
    ];
    let mut runner = TestRunner::default();
    let mut sample = || near.new_tree(&mut runner).unwrap().current().replace('\0', "");
    let random: Vec<String> = (0..random).map(|_| sample()).collect();
    HOSTILE.iter().map(|text| (*text).to_owned()).chain(long).chain(random).collect()
}

/// Returns a document with a string as a value, an item and a key, at several depths.
fn document(text: &str) -> Value {
    json!({"value": text, "list": [text, [text]], "map": {text: text, "deep": {"er": {text: [{text: text}]}}}})
}

/// Runs a program with a text on its standard input and returns its output.
fn run(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The program may answer before it has read all input.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Reads each text with `PyYAML` (YAML 1.1) and ruamel.yaml (1.2).
const READERS: &str = r"
import io, json, sys, yaml, ruamel.yaml

def by_ruamel(text):
    reader = ruamel.yaml.YAML(typ='safe', pure=True)
    reader.version = (1, 2)
    return reader.load(text)

def attempt(read, text):
    try:
        return read(text)
    except Exception as error:
        return {'error': str(error)}

texts = json.load(io.TextIOWrapper(sys.stdin.buffer, 'utf-8'))
answers = [[attempt(read, text) for read in (yaml.safe_load, by_ruamel)] for text in texts]
sys.stdout.buffer.write(json.dumps(answers, default=repr).encode())
";

#[test]
fn every_string_survives_as_value_and_key_in_own_reader() {
    for text in strings(4000) {
        let document = document(&text);
        let written = to_yaml(&document);
        let read: Value = serde_saphyr::from_str(&written)
            .unwrap_or_else(|error| panic!("{text:?}: {error}\n{written}"));
        assert_eq!(read, document, "{text:?}\n{written}");
    }
}

#[test]
fn every_string_survives_as_value_and_key_in_python() {
    let Some(python) = find("python3", "python3") else { return };
    let available = Command::new(&python).args(["-c", "import yaml, ruamel.yaml"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        return skip("PyYAML and ruamel.yaml not found (see .ci/tools)");
    }
    let documents: Vec<Value> = strings(1000).iter().map(|text| document(text)).collect();
    let written: Vec<String> = documents.iter().map(to_yaml).collect();

    let answers = run(Command::new(python).args(["-c", READERS]), &json!(written).to_string());

    let answers: Vec<[Value; 2]> = serde_json::from_str(&answers).unwrap();
    for ((document, written), [pyyaml, ruamel]) in documents.iter().zip(&written).zip(&answers) {
        assert_eq!(pyyaml, document, "PyYAML\n{written}");
        assert_eq!(ruamel, document, "ruamel.yaml\n{written}");
    }
    assert_eq!(answers.len(), documents.len());
}

#[test]
fn every_string_survives_as_value_and_key_in_kubectl() {
    if !Command::new("kubectl")
        .args(["version", "--client"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return skip("kubectl not found (see .ci/tools)");
    }
    let strings = strings(2000);
    let values: Value =
        strings.iter().enumerate().map(|(at, text)| (format!("k{at}"), text.clone())).collect();
    let keys: Value = strings.iter().map(|text| (text.clone(), text.clone())).collect();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": keys}, "data": values});
    let empty = tempfile::tempdir().unwrap();

    // A local patch without changes: `create --dry-run=client` would ask a server for its APIs.
    let mut command = Command::new("kubectl");
    command.args(["patch", "--local", "--type=merge", "--patch={}", "-o=json", "--filename=-"]);
    command.env("HOME", empty.path()).env("KUBECONFIG", "/dev/null");
    let answer = run(&mut command, &to_yaml(&map));

    let answer: Value = serde_json::from_str(&answer).unwrap();
    for (at, text) in strings.iter().enumerate() {
        assert_eq!(answer["data"][format!("k{at}")], text.as_str(), "as a value");
        assert_eq!(answer["metadata"]["annotations"][text], text.as_str(), "as a key");
    }
}
