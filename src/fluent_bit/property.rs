//! The output plugins and the rules for each of their properties.

use super::table;
use super::version::Version;

/// An output plugin that the sidecar can send records to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    Stdout,
    Forward,
    Es,
    Loki,
    Http,
    Kafka,
    S3,
}

/// A name that matches no output plugin, and the most similar one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an output of Fluent Bit")]
pub struct UnknownOutput {
    pub name: String,
    pub suggestion: Option<&'static str>,
}

impl Output {
    pub const ALL: [Self; 7] =
        [Self::Stdout, Self::Forward, Self::Es, Self::Loki, Self::Http, Self::Kafka, Self::S3];

    /// Returns the plugin's name in the spelling that every version knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Forward => "forward",
            Self::Es => "es",
            Self::Loki => "loki",
            Self::Http => "http",
            Self::Kafka => "kafka",
            Self::S3 => "s3",
        }
    }

    /// Parses a plugin's name, ignoring letter case; `elasticsearch` is an alias of `es`.
    ///
    /// # Errors
    ///
    /// If no supported plugin has this name.
    pub fn parse(name: &str) -> Result<Self, UnknownOutput> {
        let lower = name.to_ascii_lowercase();
        if lower == "elasticsearch" {
            return Ok(Self::Es);
        }
        let found = Self::ALL.into_iter().find(|output| output.name() == lower);
        found.ok_or_else(|| UnknownOutput {
            name: name.to_owned(),
            suggestion: nearest(
                &lower,
                Self::ALL.map(Self::name).into_iter().chain(["elasticsearch"]),
            ),
        })
    }

    /// Returns the plugin's own properties, without the generic ones.
    pub fn properties(self) -> &'static [Property] {
        match self {
            Self::Stdout => table::STDOUT,
            Self::Forward => table::FORWARD,
            Self::Es => table::ES,
            Self::Loki => table::LOKI,
            Self::Http => table::HTTP,
            Self::Kafka => table::KAFKA,
            Self::S3 => table::S3,
        }
    }

    /// Returns the generic properties that Fluent Bit accepts here, with or without an effect.
    pub fn generic(self) -> impl Iterator<Item = &'static Property> {
        let tls = if self == Self::Stdout { &[] } else { table::TLS };
        table::EVERYWHERE.iter().chain(table::NETWORK).chain(tls)
    }

    /// Returns the property with a name, ignoring letter case; the plugin's own properties precede
    /// the generic ones.
    pub fn property(self, name: &str) -> Option<&'static Property> {
        let mut all = self.properties().iter().chain(self.generic());
        all.find(|property| property.name.eq_ignore_ascii_case(name))
    }

    /// Returns whether the plugin uses Fluent Bit's own connections, which `host`, `port` and
    /// `net.*` configure.
    pub fn is_network(self) -> bool {
        !matches!(self, Self::Stdout | Self::Kafka)
    }
}

/// One property of an output.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name in the manual, in lower case.
    pub name: &'static str,
    pub kind: Kind,
    /// The default of Fluent Bit 5.1.1.
    pub default: Option<&'static str>,
    /// Whether the value is a credential.
    pub secret: bool,
    pub since: Since,
}

impl Property {
    /// Returns whether the property may be set several times, as a list.
    pub fn multiple(&self) -> bool {
        matches!(self.kind, Kind::Header | Kind::Pair)
    }
}

/// The form of a property's value; bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A text, or `false` for no text.
    TextOrFalse,
    /// A host name or address, without scheme, port and path.
    Host,
    /// Starts with a slash.
    Path,
    /// Starts with `http://` or `https://`.
    Url,
    /// Texts separated by commas.
    List,
    /// A name, a space, a value; several in a list.
    Header,
    /// A key, a space, a value; several in a list.
    Pair,
    Words(&'static [&'static str]),
    Switch,
    Integer {
        min: i64,
        max: i64,
    },
    /// Bytes, with an optional suffix K, M or G in powers of 1,000.
    Size {
        min: i64,
        max: i64,
    },
    /// A size, or `false` for no limit.
    SizeOrFalse,
    /// Seconds, or a number followed by s, m, h or d.
    Time,
    /// A positive number, `no_limits` or `no_retries`.
    Retries,
}

/// The first version of Fluent Bit that knows a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Known to every accepted image.
    Always,
    Version(Version),
    /// Added after 2.2.0, and known to 5.1.1.
    Recent,
}

/// Returns the candidate that `name` is probably a misspelling of, ignoring separators and letter
/// case.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let bare = |text: &str| text.to_ascii_lowercase().replace(['_', '.', '-', ' '], "");
    let wanted = bare(name);
    let scored = candidates
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &bare(candidate)), candidate));
    let (distance, best) = scored.min()?;
    (distance <= (wanted.len() / 4).clamp(1, 3)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_parses_from_its_name_and_elasticsearch_is_es() {
        for output in Output::ALL {
            assert_eq!(Output::parse(output.name()), Ok(output));
        }

        assert_eq!(Output::parse("elasticsearch"), Ok(Output::Es));
        assert_eq!(Output::parse("Elasticsearch"), Ok(Output::Es));
    }

    #[test]
    fn an_unknown_output_is_refused_with_the_nearest_name() {
        let refused = Output::parse("elastic-serach").unwrap_err();

        assert_eq!(refused.suggestion, Some("elasticsearch"));
        assert_eq!(Output::parse("splunk").unwrap_err().suggestion, None);
    }

    #[test]
    fn the_tables_are_consistent() {
        for output in Output::ALL {
            let names: Vec<_> = output.properties().iter().map(|property| property.name).collect();
            for (index, name) in names.iter().enumerate() {
                assert_eq!(*name, name.to_ascii_lowercase());
                assert!(!names[..index].contains(name), "{name} stands twice in {}", output.name());
            }
            for property in output.properties().iter().chain(output.generic()) {
                let text_like = !matches!(
                    property.kind,
                    Kind::Words(_)
                        | Kind::Switch
                        | Kind::Integer { .. }
                        | Kind::Size { .. }
                        | Kind::Time
                );
                assert!(
                    !property.secret || text_like,
                    "{} is a secret that cannot be one",
                    property.name
                );
            }
        }
    }

    #[test]
    fn the_tables_have_as_many_properties_as_the_real_plugins() {
        // The counts of Fluent Bit 5.1.1. Kafka's count leaves out the `rdkafka.` prefix, which has
        // a rule of its own.
        let wanted = [3, 17, 39, 21, 48, 21, 41];

        assert_eq!(Output::ALL.map(|output| output.properties().len()), wanted);
    }

    #[test]
    fn a_property_is_found_in_any_letter_case_and_tls_is_none_of_stdout() {
        assert_eq!(
            Output::Http.property("HTTP_Passwd").map(|property| property.name),
            Some("http_passwd")
        );
        assert!(Output::Forward.property("TLS.Verify").is_some());
        assert!(Output::Stdout.property("tls").is_none());
    }
}
