//! The page's colours by what they mean. The charting library writes a colour as an attribute of each shape; the style sheet
//! finds those attributes again and gives them their value in the light, in the dark and on paper.

use plotters::style::RGBColor;
use registry_core::estimate::operation::Outcome;

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// Words.
    Ink,
    /// Words that matter less.
    Muted,
    /// Lines behind a chart.
    Grid,
    /// Behind everything.
    Paper,
    /// Words on a bar of the critical path.
    OnPath,
    Good,
    Back,
    Bad,
    /// A bar of the critical path.
    Path,
    /// A bar beside it.
    Rest,
}

/// Name, in the light (and on paper), in the dark. Every light value is another, or the style sheet could not tell them apart.
const COLOURS: [(Colour, &str, u32, u32); 10] = [
    (Colour::Ink, "ink", 0x1F_23_28, 0xE6_ED_F3),
    (Colour::Muted, "muted", 0x59_63_6E, 0x9F_A8_B2),
    (Colour::Grid, "grid", 0xD1_D9_E0, 0x30_36_3D),
    (Colour::Paper, "paper", 0xFF_FF_FF, 0x0D_11_17),
    (Colour::OnPath, "on-path", 0xFF_FF_FE, 0x0D_11_18),
    (Colour::Good, "good", 0x08_5D_C4, 0x58_A6_FF),
    (Colour::Back, "back", 0x8A_5A_00, 0xE3_B3_41),
    (Colour::Bad, "bad", 0xB3_1D_28, 0xFF_7B_72),
    (Colour::Path, "path", 0xAD_45_00, 0xF0_88_3E),
    (Colour::Rest, "rest", 0xB6_C6_D6, 0x44_55_6A),
];

impl Colour {
    fn entry(self) -> (&'static str, u32) {
        COLOURS
            .iter()
            .find(|(colour, ..)| *colour == self)
            .map_or(("ink", 0), |(_, name, light, _)| (*name, *light))
    }

    /// The name of the class that writes in it.
    pub(super) fn class(self) -> &'static str {
        self.entry().0
    }

    /// As the charting library wants it.
    pub(super) fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.entry().1.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// What an outcome looks like.
pub(super) fn of(outcome: Outcome) -> Colour {
    match outcome {
        Outcome::Running => Colour::Muted,
        Outcome::Succeeded => Colour::Good,
        Outcome::RolledBack => Colour::Back,
        Outcome::Failed => Colour::Bad,
    }
}

/// The same for who sees no colours.
pub(super) fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Running => "…",
        Outcome::Succeeded => "✓",
        Outcome::RolledBack => "↺",
        Outcome::Failed => "×",
    }
}

/// The colours' part of the style sheet.
pub(super) fn css() -> String {
    let (mut light_values, mut dark_values, mut rules) =
        (String::new(), String::new(), String::new());
    for (_, name, light, dark) in COLOURS {
        light_values.push_str(&format!("--{name}:#{light:06X};"));
        dark_values.push_str(&format!("--{name}:#{dark:06X};"));
        rules.push_str(&format!(
            "svg [fill=\"#{light:06X}\"]{{fill:var(--{name})}}svg [stroke=\"#{light:06X}\"]{{stroke:var(--{name})}}.{name}{{color:var(--{name})}}\n"
        ));
    }
    format!(
        ":root{{{light_values}}}\n@media (prefers-color-scheme:dark){{:root{{{dark_values}}}}}\n@media print{{:root{{{light_values}}}}}\n{rules}"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_style_sheet_can_tell_the_colours_apart() {
        let light: HashSet<u32> = COLOURS.iter().map(|entry| entry.2).collect();
        assert_eq!(light.len(), COLOURS.len());
    }

    /// Relative luminance as WCAG 2.2 defines it.
    fn luminance(colour: u32) -> f64 {
        let [_, red, green, blue] = colour.to_be_bytes();
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn contrast(a: u32, b: u32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn words_can_be_read_in_the_light_and_in_the_dark() {
        let value = |wanted: Colour| {
            let (_, _, light, dark) = COLOURS.iter().find(|entry| entry.0 == wanted).unwrap();
            [*light, *dark]
        };
        for (words, behind) in [
            (Colour::Ink, Colour::Paper),
            (Colour::Muted, Colour::Paper),
            (Colour::Good, Colour::Paper),
            (Colour::Back, Colour::Paper),
            (Colour::Bad, Colour::Paper),
            (Colour::OnPath, Colour::Path),
            (Colour::Ink, Colour::Rest),
        ] {
            for (words, behind) in value(words).into_iter().zip(value(behind)) {
                let contrast = contrast(words, behind);
                // 4.5 is level AA of WCAG 2.2, 1.4.3.
                assert!(
                    contrast >= 4.5,
                    "{words:06X} on {behind:06X}: {contrast:.1}"
                );
            }
        }
    }
}
