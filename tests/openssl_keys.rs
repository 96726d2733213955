//! Keys and signatures to and from a real OpenSSL 3.

#![expect(clippy::unwrap_used, reason = "in a test an unmet expectation is the failure")]

#[path = "support/tools.rs"]
mod tools;

use std::path::PathBuf;
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::model::digest::Digest;
use relay_bundle::trust::key::{PrivateKey, PublicKey};
use relay_bundle::trust::key_file::InvalidKeyFile;
use relay_bundle::trust::passphrase::Passphrase;
use zeroize::Zeroizing;

const PASSPHRASE: &str = "correct horse battery staple";

/// OpenSSL with its own folder, where the files `pass` and `again` have the passphrase.
struct OpenSsl {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl OpenSsl {
    fn new() -> Option<Self> {
        let program = tools::find("openssl", "openssl")?;
        let openssl = Self { program, folder: tempfile::tempdir().unwrap() };
        // From a single file it would read two lines, for an old and a new passphrase.
        for name in ["pass", "again"] {
            fs_err::write(openssl.path(name), format!("{PASSPHRASE}\n")).unwrap();
        }
        Some(openssl)
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn output(&self, command: &str) -> Output {
        let mut openssl = Command::new(&self.program);
        openssl.args(command.split_whitespace()).current_dir(self.folder.path()).output().unwrap()
    }

    /// Runs a command line, which must succeed, and returns what it prints.
    #[track_caller]
    fn run(&self, command: &str) -> Vec<u8> {
        let output = self.output(command);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn load(
        &self,
        name: &str,
        passphrase: Option<&Passphrase>,
    ) -> Result<PrivateKey, InvalidKeyFile> {
        PrivateKey::from_pem(&fs_err::read(self.path(name)).unwrap(), passphrase)
    }

    /// Returns the error of reading a file.
    #[track_caller]
    fn refusal(&self, name: &str, passphrase: Option<&Passphrase>) -> InvalidKeyFile {
        self.load(name, passphrase).err().unwrap_or_else(|| panic!("{name} is read"))
    }

    /// Returns the public half of a key, according to OpenSSL.
    #[track_caller]
    fn public(&self, name: &str) -> PublicKey {
        let spki = self.run(&format!("pkey -in {name} -passin file:pass -pubout -outform DER"));
        let key = PublicKey::from_spki(&spki).unwrap();
        assert_eq!(key.id().to_string(), Digest::of(&spki).to_string());
        key
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::from_line(&Zeroizing::new(text.as_bytes().to_vec())).unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

#[test]
fn plain_openssl_key_is_read_and_has_same_name() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.run("genpkey -algorithm ed25519 -out plain.pem");
    openssl.run("pkey -in plain.pem -pubout -out plain.pub.pem");

    let key = openssl.load("plain.pem", None).unwrap();

    assert_eq!(key.public(), openssl.public("plain.pem"));
    assert_eq!(
        key.public().to_pem().as_bytes(),
        fs_err::read(openssl.path("plain.pub.pem")).unwrap()
    );
    assert_eq!(key.to_pem().as_bytes(), fs_err::read(openssl.path("plain.pem")).unwrap());
}

#[test]
fn encrypted_openssl_key_is_read_only_with_its_passphrase() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.run("genpkey -algorithm ed25519 -out plain.pem");
    let wanted = openssl.public("plain.pem");
    let (right, wrong) = (passphrase(PASSPHRASE), passphrase("correct horse battery"));
    for options in [
        "",
        "-v2 aes-128-cbc",
        "-v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 100000",
        "-scrypt",
        "-scrypt -scrypt_N 8192 -scrypt_r 8 -scrypt_p 2",
    ] {
        openssl.run(&format!(
            "pkcs8 -topk8 {options} -in plain.pem -passout file:pass -out locked.pem"
        ));

        assert_eq!(openssl.load("locked.pem", Some(&right)).unwrap().public(), wanted, "{options}");
        assert_eq!(
            openssl.refusal("locked.pem", Some(&wrong)),
            InvalidKeyFile::WrongPassphrase,
            "{options}"
        );
        assert_eq!(
            openssl.refusal("locked.pem", None),
            InvalidKeyFile::NeedsPassphrase,
            "{options}"
        );
    }
    openssl.run("genpkey -algorithm ed25519 -aes256 -pass file:pass -out new.pem");
    assert_eq!(openssl.load("new.pem", Some(&right)).unwrap().public(), openssl.public("new.pem"));
}

#[test]
fn weak_encryption_is_refused_by_name_before_passphrase() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.run("genpkey -algorithm ed25519 -out plain.pem");
    for (options, scheme) in [
        ("-v1 PBE-SHA1-3DES", "PBES1 of PKCS#12 (SHA-1 and 3DES)"),
        ("-v2 des3", "3DES"),
        ("-v2 aes-256-cbc -v2prf hmacWithSHA1", "PBKDF2 with SHA-1"),
    ] {
        openssl
            .run(&format!("pkcs8 -topk8 {options} -in plain.pem -passout file:pass -out weak.pem"));

        let refusal = openssl.refusal("weak.pem", None);

        assert_eq!(
            refusal,
            InvalidKeyFile::UnsupportedEncryption { scheme: scheme.to_owned() },
            "{options}"
        );
        // The remedy of the message, word for word.
        let remedy = refusal.remedy().unwrap().split('`').nth(1).unwrap();
        let remedy =
            remedy.replace("openssl ", "").replace("OLD", "weak.pem").replace("NEW", "good.pem");
        openssl.run(&format!("{remedy} -passin file:pass -passout file:again"));
        let key = openssl.load("good.pem", Some(&passphrase(PASSPHRASE))).unwrap();
        assert_eq!(key.public(), openssl.public("plain.pem"));
    }
}

#[test]
fn our_keys_are_read_by_openssl_plain_and_encrypted() {
    let Some(openssl) = OpenSsl::new() else { return };
    fs_err::write(openssl.path("plain.pem"), &*key().to_pem()).unwrap();
    let locked = key().to_encrypted_pem(&passphrase(PASSPHRASE), &[1; 16], [2; 16]);
    fs_err::write(openssl.path("locked.pem"), &*locked).unwrap();
    fs_err::write(openssl.path("public.pem"), key().public().to_pem()).unwrap();
    fs_err::write(openssl.path("wrong"), "another passphrase\n").unwrap();

    assert_eq!(openssl.public("plain.pem"), key().public());
    assert_eq!(openssl.public("locked.pem"), key().public());
    assert!(!openssl.output("pkey -in locked.pem -passin file:wrong -noout").status.success());
    let spki = openssl.run("pkey -pubin -in public.pem -outform DER");
    assert_eq!(spki, key().public().to_spki());
    // OpenSSL writes the same bytes.
    assert_eq!(openssl.run("pkey -in locked.pem -passin file:pass"), key().to_pem().as_bytes());
}

#[test]
fn we_and_openssl_verify_exactly_each_others_signatures() {
    let Some(openssl) = OpenSsl::new() else { return };
    let message = b"DSSEv1 28 application/vnd.in-toto+json 2 {}";
    fs_err::write(openssl.path("message"), message).unwrap();
    fs_err::write(openssl.path("other"), b"another message").unwrap();
    fs_err::write(openssl.path("private.pem"), &*key().to_pem()).unwrap();
    fs_err::write(openssl.path("public.pem"), key().public().to_pem()).unwrap();
    let verify = "pkeyutl -verify -rawin -pubin -inkey public.pem -sigfile ours -in";

    openssl.run("pkeyutl -sign -rawin -inkey private.pem -in message -out theirs");
    fs_err::write(openssl.path("ours"), key().sign(message)).unwrap();

    let theirs = fs_err::read(openssl.path("theirs")).unwrap().try_into().unwrap();
    assert!(key().public().verifies(message, &theirs));
    assert!(!key().public().verifies(b"another message", &theirs));
    openssl.run(&format!("{verify} message"));
    assert!(!openssl.output(&format!("{verify} other")).status.success());
    // A key has only one signature for a message.
    assert_eq!(theirs, key().sign(message));
}

#[test]
fn keys_of_other_algorithms_are_refused_by_name_with_remedy() {
    let Some(openssl) = OpenSsl::new() else { return };
    for (command, name) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "RSA"),
        ("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024", "RSA-PSS"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ECDSA"),
        ("genpkey -algorithm X25519", "X25519"),
        ("genpkey -algorithm X448", "X448"),
        ("genpkey -algorithm ED448", "Ed448"),
        ("ecparam -genkey -name prime256v1", "ECDSA"),
        ("genrsa -traditional 1024", "RSA"),
        ("genrsa -traditional -aes128 -passout file:pass 1024", "RSA"),
    ] {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        // `genrsa` takes the size last.
        arguments.splice(1..1, ["-out", "other.pem"]);
        openssl.run(&arguments.join(" "));

        let refusal = openssl.refusal("other.pem", None);

        assert_eq!(refusal, InvalidKeyFile::NotEd25519 { algorithm: name.to_owned() }, "{command}");
        assert!(refusal.remedy().unwrap().contains("relay-bundle keygen"), "{command}");
    }
    openssl.run("genpkey -algorithm ED448 -aes256 -pass file:pass -out locked.pem");
    let refusal = openssl.refusal("locked.pem", Some(&passphrase(PASSPHRASE)));
    assert_eq!(refusal, InvalidKeyFile::NotEd25519 { algorithm: "Ed448".to_owned() });
}

#[test]
fn public_key_and_der_are_refused_with_working_remedy() {
    let Some(openssl) = OpenSsl::new() else { return };
    openssl.run("genpkey -algorithm ed25519 -out plain.pem");
    openssl.run("pkey -in plain.pem -pubout -out public.pem");
    openssl.run("pkey -in plain.pem -outform DER -out KEY");

    assert_eq!(openssl.refusal("public.pem", None), InvalidKeyFile::Public);
    let refusal = openssl.refusal("KEY", None);
    assert_eq!(refusal, InvalidKeyFile::NotPem);
    let remedy = refusal.remedy().unwrap().split('`').nth(1).unwrap();
    openssl.run(remedy.trim_start_matches("openssl "));
    assert_eq!(openssl.load("KEY.pem", None).unwrap().public(), openssl.public("plain.pem"));
}
