//! The structure of a refusal by an API server: codes, reasons and fields, and none of its words.
//!
//! Policies write words. What a person is told to do follows from this alone.

/// A refused request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    pub code: u16,
    /// The resource that it is about, such as `namespaces`; empty where the path itself is unknown.
    pub resource: String,
    /// The fields that the server's own validation refuses; empty as soon as anything else speaks.
    pub faults: Vec<FieldFault>,
}

impl Denial {
    /// Returns whether the server does not serve the kind of the object at all.
    pub fn is_of_unserved_kind(&self) -> bool {
        self.code == 404 && self.resource.is_empty()
    }
}

/// A field that validation refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    pub kind: FaultKind,
    /// As validation spells it, such as `spec.clusterIPs[0]`.
    pub field: String,
}

/// Why validation refuses a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Invalid,
    Forbidden,
    Duplicate,
    /// Another one, which no remedy is known for.
    Other,
}

impl FaultKind {
    /// Reads the reason of a cause; none if it is not one of validation.
    pub fn of(reason: &str) -> Option<Self> {
        match reason {
            "FieldValueInvalid" => Some(Self::Invalid),
            "FieldValueForbidden" => Some(Self::Forbidden),
            "FieldValueDuplicate" => Some(Self::Duplicate),
            other => other.starts_with("FieldValue").then_some(Self::Other),
        }
    }
}
