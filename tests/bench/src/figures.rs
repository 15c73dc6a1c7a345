//! How a figure is printed: its name, its value, the bound beside it, and the figure as a fraction of the bound.

/// Which side of its bound a figure should be on.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// At most so much.
    Most(f64),
    /// At least so much.
    Least(f64),
    /// No bound: it stands there to judge others by.
    None,
}

/// One line.
pub fn line(name: &str, value: f64, unit: &str, bound: Bound) {
    let number = if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
    let tail = match bound {
        Bound::Most(most) => judged("at most", most, value / most, value <= most),
        Bound::Least(least) => judged("at least", least, value / least, value >= least),
        Bound::None => String::new(),
    };
    println!("{name:<58} {number:>11} {unit:<9} {tail}");
}

fn judged(word: &str, bound: f64, fraction: f64, kept: bool) -> String {
    format!("{word} {bound}: {fraction:.2} of it{}", if kept { "" } else { ", MISSED" })
}

/// A title.
pub fn title(text: &str) {
    println!("\n{text}");
}

/// Something to know beside the figures.
pub fn note(text: &str) {
    println!("  {text}");
}

/// The value below which a fraction of the values lie; they are sorted here.
pub fn percentile(values: &mut [f64], fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * fraction) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
