//! Codes that people choose: 1 to 32 of `[a-z0-9_-]` (rulebook §2). Inline and `Copy`, so that keys of state tables
//! hold them without a heap allocation.
//!
//! Each use has its type: a fund's code is no envelope's code.

use core::fmt;
use core::str::FromStr;

use crate::error::PrimitiveError;
use crate::hash::shortened;

/// 1 to 32 of `[a-z0-9_-]`. Ordered by bytes, like its text.
// The bytes stand first and are padded with zeros, which sort before every allowed character: so the derived order is
// that of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    bytes: [u8; Code::MAX],
    length: u8,
}

impl Code {
    /// Greatest number of characters, which are bytes.
    pub const MAX: usize = 32;

    /// The code with this text.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Code`] if it is empty, longer than 32, or holds another character.
    pub fn new(text: &str) -> Result<Self, PrimitiveError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if text.is_empty() || text.len() > Self::MAX || !text.bytes().all(allowed) {
            return Err(PrimitiveError::Code { value: shortened(text) });
        }
        let mut bytes = [0; Self::MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length: text.len() as u8 })
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).expect("only ASCII was let in")
    }

    /// The bytes of its text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for Code {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        Self::new(text)
    }
}

/// Makes one typed code.
macro_rules! code {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        ///
        /// 1 to 32 of `[a-z0-9_-]`, ordered by bytes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Code);

        impl $name {
            /// The code with this text.
            ///
            /// # Errors
            ///
            /// [`PrimitiveError::Code`], as [`Code::new`].
            pub fn new(text: &str) -> Result<Self, PrimitiveError> {
                Code::new(text).map(Self)
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The bytes of its text.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The code without its use.
            pub const fn code(&self) -> Code {
                self.0
            }
        }

        impl From<Code> for $name {
            fn from(code: Code) -> Self {
                Self(code)
            }
        }

        impl From<$name> for Code {
            fn from(code: $name) -> Self {
                code.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = PrimitiveError;

            fn from_str(text: &str) -> Result<Self, PrimitiveError> {
                Self::new(text)
            }
        }
    };
}

code! {
    /// A fund.
    FundCode
}
code! {
    /// An envelope of a fund.
    EnvelopeCode
}
code! {
    /// A levy schedule.
    ScheduleCode
}
code! {
    /// A redistribution policy.
    PolicyCode
}
code! {
    /// A college: `funders`, `commoners`, `users` by default.
    CollegeCode
}
code! {
    /// A territory; INSEE codes are written in lower case (`2a004`).
    TerritoryCode
}
code! {
    /// An office of an organisation.
    OfficeCode
}
code! {
    /// A category of projects.
    CategoryCode
}
code! {
    /// A taxed service, or a deduction, of a levy schedule.
    ServiceCode
}
code! {
    /// A criterion of a call, or an eligibility.
    CriterionCode
}
code! {
    /// A reason given with a judgement, a ballot or a refusal to pay.
    ReasonCode
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_has_1_to_32_of_the_alphabet() {
        for right in ["a", "0", "_", "-", "sme_data-access", &"z".repeat(32)] {
            assert_eq!(Code::new(right).map(|code| code.to_string()), Ok(right.to_string()));
        }
        for wrong in ["", &"z".repeat(33), "A", "a b", "a.b", "é", "a\0", "a/b"] {
            assert!(Code::new(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(FundCode::new("main").map(|code| std::format!("{code:?}")), Ok("FundCode(main)".into()));
    }

    proptest! {
        #[test]
        fn codes_sort_as_their_texts(a in "[a-z0-9_-]{1,32}", b in "[a-z0-9_-]{1,32}") {
            let (left, right) = (Code::new(&a).unwrap(), Code::new(&b).unwrap());
            prop_assert_eq!(left.cmp(&right), a.as_bytes().cmp(b.as_bytes()));
            prop_assert_eq!(left.as_str(), a);
        }
    }
}
