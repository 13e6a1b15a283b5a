//! Enums whose variants are words on the wire.

/// Declares such an enum, each variant with its word.
macro_rules! words {
    ($(#[$about:meta])* pub enum $Name:ident { $($(#[$of:meta])* $Variant:ident = $word:tt,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $Name {
            $($(#[$of])* #[serde(rename = $word)] $Variant,)*
        }

        impl $Name {
            /// The word on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)*
                }
            }
        }
    };
}

pub(crate) use words;
